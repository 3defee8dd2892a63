// The MIME structure of messages: parser, header helpers, serialised form.
#include "store/message_structure.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <string_view>

#include "store/mime_header.hpp"
#include "store/mime_parser.hpp"

namespace postern::store {
namespace {

MessageStructure parse(std::string_view octets) {
  MimeParser parser;
  parser.feed(octets);
  return parser.finish();
}

std::string_view body_of(std::string_view message, const MimePart& part) {
  return message.substr(part.body_begin, part.body_end - part.body_begin);
}

std::string_view header_of(std::string_view message, const MimePart& part) {
  return message.substr(part.header_begin, part.body_begin - part.header_begin);
}

/// What every structure must hold, however odd the message.
void expect_sound(const MessageStructure& structure, std::string_view message) {
  ASSERT_FALSE(structure.parts.empty());
  EXPECT_EQ(structure.size_octets, message.size());
  EXPECT_EQ(structure.parts[0].header_begin, 0u);
  EXPECT_EQ(structure.parts[0].body_end, message.size());
  for (const MimePart& part : structure.parts) {
    EXPECT_LE(part.header_begin, part.body_begin);
    EXPECT_LE(part.body_begin, part.body_end);
    EXPECT_LE(part.body_end, message.size());
    if (part.parent == MimePart::kNone) continue;
    const MimePart& above = structure.parts[part.parent];
    EXPECT_GE(part.header_begin, above.body_begin);
    EXPECT_LE(part.body_end, above.body_end);
  }
  const auto restored = deserialise_structure(serialise(structure));
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(*restored, structure);
}

constexpr std::string_view kNested =
    "From: a@example.org\r\n"
    "Subject: nested\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=outer\r\n"
    "\r\n"
    "preamble\r\n"
    "--outer\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n"
    "one\r\n"
    "two\r\n"
    "--outer\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "From: inner@example.org\r\n"
    "Subject: inside\r\n"
    "Content-Type: multipart/alternative; boundary=\"in ner\"\r\n"
    "\r\n"
    "--in ner\r\n"
    "\r\n"
    "plain\r\n"
    "--in ner  \r\n"
    "Content-Type: text/html\r\n"
    "\r\n"
    "<p>html</p>\r\n"
    "--in ner--\r\n"
    "inner epilogue\r\n"
    "--outer\r\n"
    "Content-Type: application/octet-stream; name=\"a \\\"b\\\".bin\"\r\n"
    "Content-Disposition: attachment;\r\n"
    " filename=x.bin\r\n"
    "Content-Transfer-Encoding: BASE64\r\n"
    "Content-ID: <id@x>\r\n"
    "Content-Description: a thing\r\n"
    "Content-MD5: Q2hlY2s=\r\n"
    "Content-Language: en, de\r\n"
    "Content-Location: http://x/\r\n"
    "\r\n"
    "AAAA\r\n"
    "--outer--\r\n"
    "epilogue\r\n";

TEST(MimeParser, FindsEveryPartOfANestedMessage) {
  const MessageStructure found = parse(kNested);
  expect_sound(found, kNested);
  ASSERT_EQ(found.parts.size(), 7u);
  using Kind = MimePart::Kind;
  const auto& parts = found.parts;
  EXPECT_EQ(parts[0].kind, Kind::multipart);
  EXPECT_EQ(parts[0].subtype, "mixed");
  EXPECT_TRUE(body_of(kNested, parts[0]).starts_with("preamble"));
  EXPECT_TRUE(body_of(kNested, parts[0]).ends_with("epilogue\r\n"));

  EXPECT_EQ(body_of(kNested, parts[1]), "one\r\ntwo");
  EXPECT_EQ(parts[1].lines, 2u);
  EXPECT_EQ(parts[1].encoding, "8bit");
  EXPECT_EQ(parts[1].parameters, (std::vector<MimeParameter>{{"charset", "utf-8"}}));
  EXPECT_EQ(header_of(kNested, parts[1]),
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");

  EXPECT_EQ(parts[2].kind, Kind::message);
  EXPECT_TRUE(body_of(kNested, parts[2]).starts_with("From: inner@example.org\r\n"));
  EXPECT_TRUE(body_of(kNested, parts[2]).ends_with("inner epilogue"));
  EXPECT_EQ(parts[2].lines, 13u);

  EXPECT_EQ(parts[3].kind, Kind::multipart);
  EXPECT_EQ(parts[3].parent, 2u);
  EXPECT_EQ(found.envelopes[parts[3].envelope].subject, "inside");
  EXPECT_EQ(parts[3].header_begin, parts[2].body_begin);
  EXPECT_EQ(parts[3].body_end, parts[2].body_end);

  EXPECT_EQ(body_of(kNested, parts[4]), "plain");
  EXPECT_EQ(parts[4].type, "text");
  EXPECT_EQ(parts[4].parameters, (std::vector<MimeParameter>{{"charset", "us-ascii"}}));
  EXPECT_EQ(header_of(kNested, parts[4]), "\r\n");
  EXPECT_EQ(body_of(kNested, parts[5]), "<p>html</p>");
  EXPECT_EQ(parts[5].subtype, "html");

  EXPECT_EQ(body_of(kNested, parts[6]), "AAAA");
  EXPECT_EQ(parts[6].encoding, "base64");
  EXPECT_EQ(parts[6].parameters, (std::vector<MimeParameter>{{"name", "a \"b\".bin"}}));
  EXPECT_EQ(parts[6].disposition, "attachment");
  EXPECT_EQ(parts[6].disposition_parameters, (std::vector<MimeParameter>{{"filename", "x.bin"}}));
  EXPECT_EQ(parts[6].id, "<id@x>");
  EXPECT_EQ(parts[6].description, "a thing");
  EXPECT_EQ(parts[6].md5, "Q2hlY2s=");
  EXPECT_EQ(parts[6].languages, (std::vector<std::string>{"en", "de"}));
  EXPECT_EQ(parts[6].location, "http://x/");

  // Siblings: 1 -> 2 -> 6, 4 -> 5.
  EXPECT_EQ(parts[0].first_child, 1u);
  EXPECT_EQ(parts[1].next_sibling, 2u);
  EXPECT_EQ(parts[2].next_sibling, 6u);
  EXPECT_EQ(parts[6].next_sibling, MimePart::kNone);
  EXPECT_EQ(parts[3].first_child, 4u);
  EXPECT_EQ(parts[4].next_sibling, 5u);
}

TEST(MimeParser, AnySplitGivesTheSameStructure) {
  const MessageStructure whole = parse(kNested);
  for (std::size_t split = 0; split <= kNested.size(); ++split) {
    MimeParser parser;
    parser.feed(kNested.substr(0, split));
    parser.feed(kNested.substr(split));
    ASSERT_EQ(parser.finish(), whole) << "split at " << split;
  }
  MimeParser parser;
  for (const char octet : kNested) parser.feed(std::string_view(&octet, 1));
  EXPECT_EQ(parser.finish(), whole);
}

TEST(MimeParser, PlainMessageWithoutMimeFields) {
  const std::string_view message = "Subject: x\r\n\r\nline\r\nlast";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  ASSERT_EQ(found.parts.size(), 1u);
  EXPECT_EQ(found.parts[0].type, "text");
  EXPECT_EQ(found.parts[0].encoding, "7bit");
  EXPECT_EQ(found.parts[0].lines, 2u);
  EXPECT_EQ(body_of(message, found.parts[0]), "line\r\nlast");
}

TEST(MimeParser, CountsLinesOfPartsLikeAReader) {
  const auto lines = [](std::string_view body) {
    const std::string message = "Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\n\r\n" +
                                std::string(body) + "\r\n--b--\r\n";
    const MessageStructure found = parse(message);
    expect_sound(found, message);
    EXPECT_EQ(body_of(message, found.parts.at(1)), body);
    return found.parts.at(1).lines;
  };
  EXPECT_EQ(lines(""), 0u);
  EXPECT_EQ(lines("a"), 1u);
  EXPECT_EQ(lines("a\r\n"), 1u);
  EXPECT_EQ(lines("a\r\n\r\n"), 2u);
  EXPECT_EQ(lines("a\r\nb"), 2u);
}

TEST(MimeParser, EmptyAndHeaderOnlyMessages) {
  for (const std::string_view message :
       {"", "\r\n", "Subject: x", "Subject: x\r\n", "Subject: x\r\n\r\n", "no field at all",
        "Content-Type: multipart/mixed; boundary=b", "Content-Type: message/rfc822\r\n\r\n",
        "Content-Type: message/rfc822", "\n\nbody"}) {
    expect_sound(parse(message), message);
  }
  EXPECT_EQ(parse("Subject: x").envelopes[0].subject, "x");
  EXPECT_EQ(parse("\n\nbody").parts[0].body_begin, 1u);
}

TEST(MimeParser, BareLineFeedsAreLineEnds) {
  const std::string_view message =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\nx\ny\n--b--\n";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  ASSERT_EQ(found.parts.size(), 2u);
  EXPECT_EQ(body_of(message, found.parts[1]), "x\ny");
  EXPECT_EQ(found.parts[1].subtype, "html");
}

TEST(MimeParser, UnclosedInnerPartEndsAtTheOuterBoundary) {
  const std::string_view message =
      "Content-Type: multipart/mixed; boundary=o\r\n\r\n"
      "--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\ninner\r\n"
      "--o\r\n\r\nlast\r\n--o--\r\n";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  ASSERT_EQ(found.parts.size(), 4u);
  EXPECT_EQ(body_of(message, found.parts[2]), "inner");
  EXPECT_EQ(found.parts[3].parent, 0u);
  EXPECT_EQ(body_of(message, found.parts[3]), "last");
}

TEST(MimeParser, HeaderEndedByABoundary) {
  const std::string_view message =
      "Content-Type: multipart/mixed; boundary=o\r\n\r\n"
      "--o\r\nContent-Type: message/rfc822\r\n--o\r\nContent-Type: text/html\r\n--o--";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  ASSERT_EQ(found.parts.size(), 4u);
  EXPECT_EQ(found.parts[1].kind, MimePart::Kind::message);
  EXPECT_EQ(found.parts[3].subtype, "html");
  EXPECT_EQ(body_of(message, found.parts[3]), "");
}

TEST(MimeParser, BoundaryThatIsAPrefixOfAnother) {
  const std::string_view message =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
      "Content-Type: multipart/mixed; boundary=b2\r\n\r\n--b2\r\n\r\nx\r\n--b2--\r\n--b--\r\n";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  ASSERT_EQ(found.parts.size(), 3u);
  EXPECT_EQ(found.parts[2].parent, 1u);
  EXPECT_EQ(body_of(message, found.parts[2]), "x");
}

TEST(MimeParser, DigestPartsAreMessagesByDefault) {
  const std::string_view message =
      "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: "
      "in\r\n\r\nbody\r\n--d--";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  ASSERT_EQ(found.parts.size(), 3u);
  EXPECT_EQ(found.parts[1].kind, MimePart::Kind::message);
  EXPECT_EQ(found.envelopes[found.parts[2].envelope].subject, "in");
}

TEST(MimeParser, MultipartWithoutUsableBoundaryIsText) {
  const MessageStructure found = parse("Content-Type: multipart/mixed\r\n\r\n--x\r\nhello\r\n");
  ASSERT_EQ(found.parts.size(), 1u);
  EXPECT_EQ(found.parts[0].kind, MimePart::Kind::leaf);
  EXPECT_EQ(found.parts[0].type, "text");
}

TEST(MimeParser, EncodedMessageIsOpaque) {
  const MessageStructure found = parse(
      "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nRnJvbTogYQ==\r\n");
  ASSERT_EQ(found.parts.size(), 1u);
  EXPECT_EQ(found.parts[0].type, "application");
  EXPECT_EQ(found.parts[0].kind, MimePart::Kind::leaf);
}

TEST(MimeParser, DepthIsBounded) {
  std::string message;
  for (int level = 0; level < 500; ++level) {
    message += "Content-Type: multipart/mixed; boundary=b" + std::to_string(level) + "\r\n\r\n--b" +
               std::to_string(level) + "\r\n";
  }
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  EXPECT_EQ(found.parts.size(), kMimeDepthMax);
  EXPECT_EQ(found.parts.back().kind, MimePart::Kind::leaf);
  std::string messages;
  for (int level = 0; level < 500; ++level) messages += "Content-Type: message/rfc822\r\n\r\n";
  expect_sound(parse(messages), messages);
}

TEST(MimeParser, PartsAreBounded) {
  std::string message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (std::size_t part = 0; part < kMimePartsMax + 100; ++part) message += "--b\r\n\r\nx\r\n";
  message += "--b--\r\n";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  EXPECT_EQ(found.parts.size(), kMimePartsMax);
  EXPECT_TRUE(body_of(message, found.parts.back()).ends_with("--b\r\n\r\nx"));
}

TEST(MimeParser, FieldsAreBounded) {
  const std::string message = "Subject: " + std::string(1 << 20, 'x') + "\r\nFrom: a@b\r\n\r\nbody";
  const MessageStructure found = parse(message);
  expect_sound(found, message);
  EXPECT_LE(found.envelopes[0].subject->size(), kMimeFieldOctetsMax);
  EXPECT_EQ(found.envelopes[0].from, "a@b");
  EXPECT_EQ(body_of(message, found.parts[0]), "body");
  std::string many;
  for (int index = 0; index < 2000; ++index) {
    many += "Content-Type: message/rfc822\r\nSubject: " + std::string(10000, 'y') + "\r\n\r\n";
  }
  std::size_t kept = 0;
  for (const auto& envelope : parse(many).envelopes) {
    kept += envelope.subject ? envelope.subject->size() : 0;
  }
  EXPECT_LE(kept, kMimeKeptOctetsMax + kMimeFieldOctetsMax);
}

TEST(MimeParser, RandomMessagesKeepTheInvariants) {
  // Pieces that matter to the parser, in random order: every structure must be sound in any split.
  const std::string_view pieces[] = {"--b",
                                     "--",
                                     "b",
                                     "\r\n",
                                     "\n",
                                     "\r",
                                     " ",
                                     "--c--",
                                     "--b--\r\n",
                                     "Content-Type: multipart/mixed; boundary=b\r\n",
                                     "Content-Type: multipart/digest; boundary=c\r\n",
                                     "Content-Type: message/rfc822\r\n",
                                     "\r\n\r\n",
                                     "Subject: s\r\n",
                                     "text",
                                     "\"",
                                     "(",
                                     ";",
                                     "=",
                                     "--c\r\n"};
  std::mt19937 random(20240731);
  for (int round = 0; round < 3000; ++round) {
    std::string message;
    const std::size_t count = random() % 60;
    for (std::size_t index = 0; index < count; ++index) {
      message += pieces[random() % std::size(pieces)];
    }
    const MessageStructure whole = parse(message);
    expect_sound(whole, message);
    MimeParser parser;
    for (std::size_t at = 0; at < message.size();) {
      const std::size_t length = 1 + random() % 7;
      parser.feed(std::string_view(message).substr(at, length));
      at += length;
    }
    ASSERT_EQ(parser.finish(), whole) << message;
  }
}

TEST(MimeHeader, FieldsAreSplitWithTheirContinuations) {
  std::string_view header = "A: 1\r\nB : two\r\n\tmore\r\nbad line\r\nC:\r\n\r\nbody: no";
  const auto first = take_field(header);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name, "A");
  const auto second = take_field(header);
  EXPECT_EQ(second->name, "B");
  EXPECT_EQ(unfold(second->value), "two\tmore");
  EXPECT_EQ(second->whole, "B : two\r\n\tmore\r\n");
  EXPECT_EQ(take_field(header)->name, "");
  EXPECT_EQ(take_field(header)->name, "C");
  EXPECT_FALSE(take_field(header));
  EXPECT_EQ(header, "\r\nbody: no");
}

TEST(MimeHeader, HeaderEndInAnySplit) {
  for (const auto& [text, end] : std::initializer_list<std::pair<std::string_view, std::size_t>>{
           {"A: b\r\n\r\nbody\r\n\r\n", 8},
           {"A: b\n\nbody", 6},
           {"\r\nbody", 2},
           {"\nbody", 1},
           {"A: b\r\n\r\r\n\r\n", 11},
           {"A: b", 4},
           {"", 0}}) {
    EXPECT_EQ(header_octets(text), end) << text;
    for (std::size_t split = 0; split <= text.size(); ++split) {
      HeaderEndFinder finder;
      if (!finder.feed(text.substr(0, split))) finder.feed(text.substr(split));
      EXPECT_EQ(finder.end(), end) << text << " split at " << split;
    }
  }
}

TEST(MimeHeader, MimeValuesAreReadLeniently) {
  const auto value =
      parse_mime_value("Text (c(o)m) / HTML ; charset = \"a\\\"b\" ;; x=y z; =; n", true);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->type, "text");
  EXPECT_EQ(value->subtype, "html");
  EXPECT_EQ(value->parameters, (std::vector<MimeParameter>{{"charset", "a\"b"}, {"x", "y"}}));
  EXPECT_FALSE(parse_mime_value("text", true));
  EXPECT_FALSE(parse_mime_value("", true));
  EXPECT_EQ(parse_mime_value("inline; filename=\"open", false)->parameters[0].value, "open");
}

TEST(StructureForm, DamagedFormsAreRefused) {
  const std::string good = serialise(parse(kNested));
  EXPECT_EQ(deserialise_structure("").error().code, ErrorCode::corrupted);
  EXPECT_EQ(deserialise_structure("\x7f").error().code, ErrorCode::unsupported);
  for (std::size_t length = 1; length < good.size(); ++length) {
    EXPECT_FALSE(deserialise_structure(std::string_view(good).substr(0, length)));
  }
  EXPECT_FALSE(deserialise_structure(good + "x"));
  // Changed octets may give another sound structure, never one that points outside of itself.
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = good;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    const auto result = deserialise_structure(damaged);
    if (!result) continue;
    for (std::size_t self = 0; self < result->parts.size(); ++self) {
      const MimePart& part = result->parts[self];
      ASSERT_LE(part.body_end, result->size_octets);
      if (part.kind == MimePart::Kind::message) {
        ASSERT_LT(part.first_child, result->parts.size());
        ASSERT_LT(result->parts[part.first_child].envelope, result->envelopes.size());
      }
    }
  }
}

}  // namespace
}  // namespace postern::store

// Framing, tokens, sets, names, patterns, dates: the pieces without a session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "sidecars/imap/arguments.hpp"
#include "sidecars/imap/command_reader.hpp"
#include "sidecars/imap/command_table.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/list_pattern.hpp"
#include "sidecars/imap/mailbox_name.hpp"
#include "sidecars/imap/response.hpp"
#include "sidecars/imap/search_match.hpp"
#include "sidecars/imap/search_text.hpp"
#include "sidecars/imap/sequence_set.hpp"

namespace postern::imap {
namespace {

using ::testing::ElementsAre;
using Kind = CommandReader::Step::Kind;

/// All steps for `input` given in pieces; literals that fit are accepted, others refused.
std::vector<std::string> steps(std::string_view input, std::size_t piece, std::size_t limit = 64) {
  CommandReader reader;
  reader.set_limit(limit);
  std::vector<std::string> found;
  for (std::size_t at = 0; at < input.size(); at += piece) {
    std::string_view rest = input.substr(at, piece);
    while (!rest.empty()) {
      const CommandReader::Step step = reader.feed(rest);
      rest.remove_prefix(step.consumed);
      switch (step.kind) {
        case Kind::need_more:
          break;
        case Kind::command:
          found.push_back("command:" + std::string(step.text));
          break;
        case Kind::line:
          found.push_back("line:" + std::string(step.text));
          break;
        case Kind::too_long:
          found.push_back("long:" + std::string(step.text));
          break;
        case Kind::overrun:
          found.push_back("overrun");
          return found;
        case Kind::literal:
          found.push_back("literal" + std::to_string(step.literal_octets) +
                          (step.synchronising ? "s" : "") + (step.fits ? "" : "!"));
          if (step.fits) {
            reader.accept_literal();
          } else {
            reader.refuse_literal();
          }
      }
    }
  }
  return found;
}

TEST(CommandReaderTest, SplitsDoNotMatter) {
  const std::string input =
      "a NOOP\r\nb LOGIN {4}\r\nus{r {2+}\r\n\r\n \"x{3}\"\r\nc\n\r\nd {100+}\r\n" +
      std::string(100, 'y') + " {5+}\r\n12345 end\r\ne {70}\r\nf NOOP\r\ng " +
      std::string(80, 'z') + " {3+}\r\nabc rest\r\nh {0}\r\n\r\n";
  const std::vector<std::string> whole = steps(input, input.size());
  EXPECT_THAT(whole,
              ElementsAre("command:a NOOP", "literal4s", "literal2",
                          "command:b LOGIN {4}\r\nus{r {2+}\r\n\r\n \"x{3}\"", "command:c",
                          "command:", "literal100!", "literal70s!", "command:f NOOP",
                          "long:g " + std::string(62, 'z'), "literal0s", "command:h {0}\r\n"));
  for (std::size_t piece = 1; piece < input.size(); ++piece) {
    ASSERT_EQ(steps(input, piece), whole) << piece;
  }
}

TEST(CommandReaderTest, OddAnnouncements) {
  EXPECT_THAT(steps("a {}\r\n", 99), ElementsAre("command:a {}"));
  EXPECT_THAT(steps("a {x}\r\n", 99), ElementsAre("command:a {x}"));
  EXPECT_THAT(steps("a {-1}\r\n", 99), ElementsAre("command:a {-1}"));
  EXPECT_THAT(steps("a {1}}\r\n", 99), ElementsAre("command:a {1}}"));
  EXPECT_THAT(steps("a {99999999999999999999}\r\n", 99),
              ElementsAre("literal18446744073709551615s!"));
  EXPECT_THAT(steps("a {18446744073709551615+}\r\nx", 99),
              ElementsAre("literal18446744073709551615!"));
}

TEST(CommandReaderTest, LimitIsExact) {
  EXPECT_THAT(steps(std::string(64, 'x') + "\r\n", 7),
              ElementsAre("command:" + std::string(64, 'x')));
  EXPECT_THAT(steps(std::string(66, 'x') + "\r\n", 7), ElementsAre("long:" + std::string(64, 'x')));
  EXPECT_THAT(steps("a {56+}\r\n", 7), ElementsAre("literal56!"));
  EXPECT_THAT(steps("a {55+}\r\n", 7), ElementsAre("literal55"));
}

TEST(CommandReaderTest, EndlessInputIsGivenUp) {
  CommandReader reader;
  const std::string piece(1 << 20, 'x');
  bool overrun = false;
  for (int count = 0; count < 70 && !overrun; ++count) {
    std::string_view rest = piece;
    while (!rest.empty() && !overrun) {
      const auto step = reader.feed(rest);
      overrun = step.kind == Kind::overrun;
      rest.remove_prefix(step.consumed);
    }
  }
  EXPECT_TRUE(overrun);
}

TEST(CommandReaderTest, PlainLines) {
  CommandReader reader;
  reader.expect_line();
  auto step = reader.feed("x {5}\r\nrest");
  EXPECT_EQ(step.kind, Kind::line);
  EXPECT_EQ(step.text, "x {5}");
  EXPECT_EQ(step.consumed, 7u);
  reader.expect_line();
  step = reader.feed(std::string(kContinuationLineOctetsMax + 10, 'A'));
  EXPECT_EQ(step.kind, Kind::too_long);
}

TEST(CommandTableTest, NamesAreFound) {
  for (const CommandSpec& spec : all_commands()) EXPECT_EQ(find_command(spec.name), &spec);
  EXPECT_EQ(find_command("UID"), nullptr);
  EXPECT_EQ(find_command(""), nullptr);
  EXPECT_EQ(find_command("XNOOP"), nullptr);
}

TEST(ArgumentsTest, Strings) {
  EXPECT_EQ(*Arguments("\"a\\\"b\\\\\"").string(), "a\"b\\");
  EXPECT_EQ(*Arguments("{3}\r\na\r\n").string(), "a\r\n");
  EXPECT_EQ(*Arguments("{3+}\na\"b").string(), "a\"b");
  EXPECT_FALSE(Arguments("{4}\r\nabc").string());
  EXPECT_FALSE(Arguments("\"abc").string());
  EXPECT_FALSE(Arguments("\"a\r\nb\"").string());
  EXPECT_FALSE(Arguments("abc").string());
  EXPECT_EQ(*Arguments("a%*\\]{b rest").astring(), "a%*\\]{b");
  EXPECT_FALSE(Arguments("(a)").astring());
  EXPECT_FALSE(Arguments("").astring());
  EXPECT_EQ(*Arguments("NIL").nstring(), std::nullopt);
  EXPECT_EQ(**Arguments("\"NIL\"").nstring(), "NIL");
  EXPECT_EQ(*Arguments("4294967295").number(), 4294967295u);
  EXPECT_FALSE(Arguments("4294967296").number());
  EXPECT_FALSE(Arguments("-1").number());
  EXPECT_FALSE(Arguments("99999999999999999999").number64());
}

store::MailboxSnapshotPtr mailbox(std::initializer_list<store::Uid> uids) {
  std::vector<store::MessageEntry> entries;
  for (const store::Uid uid : uids) entries.push_back({.uid = uid});
  return store::MailboxSnapshot::from_entries({}, std::move(entries));
}

TEST(SequenceSetTest, Resolving) {
  const auto box = mailbox({3, 5, 7, 100, 4294967295u});
  const auto sequences = [&](std::string_view text) {
    Arguments arguments(text);
    return resolve_sequences(*parse_sequence_set(arguments), *box);
  };
  const auto uids = [&](std::string_view text) {
    Arguments arguments(text);
    return resolve_uids(*parse_sequence_set(arguments), *box);
  };
  EXPECT_THAT(*sequences("1"), ElementsAre(IndexRange{0, 0}));
  EXPECT_THAT(*sequences("*"), ElementsAre(IndexRange{4, 4}));
  EXPECT_THAT(*sequences("*:4,1,2"), ElementsAre(IndexRange{0, 1}, IndexRange{3, 4}));
  EXPECT_THAT(*sequences("5:1,3"), ElementsAre(IndexRange{0, 4}));
  EXPECT_FALSE(sequences("6"));
  EXPECT_FALSE(sequences("4294967295"));
  EXPECT_THAT(uids("1:4"), ElementsAre(IndexRange{0, 0}));
  EXPECT_THAT(uids("4,6"), ElementsAre());
  EXPECT_THAT(uids("5:4294967295"), ElementsAre(IndexRange{1, 4}));
  EXPECT_THAT(uids("*"), ElementsAre(IndexRange{4, 4}));
  EXPECT_THAT(uid_ranges(uids("1:90,100"), *box), ElementsAre(store::UidRange{3, 100}));
  EXPECT_EQ(count(uids("1:*")), 5u);
  Arguments none("1:*");
  EXPECT_TRUE(resolve_sequences(*parse_sequence_set(none), *mailbox({}))->empty());
  for (const std::string_view bad :
       {"", ",", "1,", "1:", ":1", "0", "1,,2", "1:2:3", "99999999999"}) {
    Arguments arguments(bad);
    EXPECT_FALSE(parse_sequence_set(arguments)) << bad;
  }
  std::string many = "1";
  for (std::size_t range = 0; range < kSequenceRangesMax; ++range) many += ",1";
  Arguments arguments(many);
  EXPECT_FALSE(parse_sequence_set(arguments));
}

TEST(MailboxNameTest, ModifiedUtf7) {
  const std::pair<std::string_view, std::string_view> names[] = {
      {"INBOX", "INBOX"},           {"a & b", "a &- b"},
      {"Entwürfe", "Entw&APw-rfe"}, {"台北", "&U,BTFw-"},
      {"日本語", "&ZeVnLIqe-"},     {"~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
      {"😀", "&2D3eAA-"},           {"#%*", "#%*"}};
  for (const auto& [utf8, wire] : names) {
    EXPECT_EQ(to_wire_name(utf8), wire);
    EXPECT_EQ(from_wire_name(wire), utf8);
  }
  EXPECT_EQ(from_wire_name("Entwürfe"), "Entwürfe");  // raw UTF-8 from a lenient client
  EXPECT_EQ(from_wire_name("&ACU-"), "%");
  for (const std::string_view bad :
       {"&", "&Jjo", "&Jjo!-", "&2D0-", "&3gA-", "&AA-", "&AAA-", "\xff", "a\x01", "&AAE-"}) {
    EXPECT_EQ(from_wire_name(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(fold_name("ÄPFEL Straße ΩМИР"), fold_name("äpfel STRAße ωмир"));
  EXPECT_NE(fold_name("a"), fold_name("ä"));
}

TEST(MailboxNameTest, RandomNamesComeBack) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string name;
    for (std::size_t length = random() % 12; length > 0; --length) {
      char32_t point = random() % 4 == 0 ? random() % 0x11000 : 0x20 + random() % 0x60;
      if (point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0xd800 && point < 0xe000)) {
        point = '&';
      }
      append_utf8(name, point);
    }
    ASSERT_EQ(from_wire_name(to_wire_name(name)), name);
  }
}

/// The definition of the wildcards, without cleverness.
bool slow_match(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*' || pattern.front() == '%') {
    for (std::size_t used = 0; used <= name.size(); ++used) {
      if (slow_match(pattern.substr(1), name.substr(used))) return true;
      if (used < name.size() && pattern.front() == '%' && name[used] == '/') return false;
    }
    return false;
  }
  return !name.empty() && name.front() == pattern.front() &&
         slow_match(pattern.substr(1), name.substr(1));
}

TEST(ListPatternTest, AgreesWithTheDefinition) {
  std::mt19937 random(11);
  int matches = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string pattern;
    std::string name;
    for (std::size_t length = random() % 9; length > 0; --length) pattern += "ab/*%"[random() % 5];
    for (std::size_t length = random() % 9; length > 0; --length) name += "ab/"[random() % 3];
    const bool expected = slow_match(pattern, name);
    matches += expected ? 1 : 0;
    ASSERT_EQ(ListPattern::compile(pattern)->matches(name), expected) << pattern << " " << name;
  }
  EXPECT_GT(matches, 1000);
}

TEST(ListPatternTest, CaseAndEscapes) {
  EXPECT_TRUE(ListPattern::compile("inbox")->matches("INBOX"));
  EXPECT_TRUE(ListPattern::compile("&AOQ-*")->matches("ÄPFEL"));
  EXPECT_TRUE(ListPattern::compile("a&ACU-b")->matches("a%b"));
  EXPECT_FALSE(ListPattern::compile("a&ACU-b")->matches("axb"));
  EXPECT_FALSE(ListPattern::compile("&Jjo").has_value());
  // Neither long nor exponential.
  std::string pattern;
  for (int index = 0; index < 300; ++index) pattern += "a*";
  EXPECT_FALSE(ListPattern::compile(pattern + "b")->matches(std::string(250, 'a')));
}

TEST(ResponseTest, StringsAndNumbers) {
  const auto text = [](std::string_view value) {
    std::string out;
    append_string(out, value);
    return out;
  };
  EXPECT_EQ(text("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(text("\xc3\xa4"), "{2}\r\n\xc3\xa4");
  EXPECT_EQ(text("a\r\nb"), "{4}\r\na\r\nb");
  EXPECT_EQ(text(std::string_view("a\0b", 3)), "{2}\r\nab");
  EXPECT_EQ(text(""), "\"\"");
}

TEST(ResponseTest, InternalDates) {
  const auto date = [](std::int64_t seconds) {
    std::string out;
    append_internal_date(out, seconds * 1000);
    return out;
  };
  EXPECT_EQ(date(0), "\" 1-Jan-1970 00:00:00 +0000\"");
  EXPECT_EQ(date(951782400), "\"29-Feb-2000 00:00:00 +0000\"");
  EXPECT_EQ(date(-1), "\"31-Dec-1969 23:59:59 +0000\"");
  EXPECT_EQ(date(1700000000), "\"14-Nov-2023 22:13:20 +0000\"");
  EXPECT_EQ(date(INT64_MAX / 1000), "\"31-Dec-9999 23:59:59 +0000\"");
  EXPECT_EQ(date(INT64_MIN / 1000), "\" 1-Jan-0001 00:00:00 +0000\"");
  for (std::int64_t days = -200000; days < 200000; days += 7) {
    const CivilDate civil = civil_from_days(days);
    ASSERT_EQ(days_from_civil(civil.year, civil.month, civil.day), days);
  }
}

TEST(SearchTextTest, DecodesInAnySplit) {
  const auto decode = [](TransferEncoding encoding, Charset charset, std::string_view octets,
                         std::size_t piece) {
    TextDecoder decoder(encoding, charset);
    std::string out;
    for (std::size_t at = 0; at < octets.size(); at += piece) {
      decoder.feed(octets.substr(at, piece), out);
    }
    return out;
  };
  for (std::size_t piece = 1; piece < 40; ++piece) {
    EXPECT_EQ(decode(TransferEncoding::base64, Charset::utf8, "R3LDvMOf\r\nZSBYWQ==", piece),
              "grüße xy");
    EXPECT_EQ(decode(TransferEncoding::quoted_printable, Charset::utf8,
                     "Gr=C3=BC=\r\n=C3=9Fe =zz=4", piece),
              "grüße ");
    EXPECT_EQ(decode(TransferEncoding::identity, Charset::latin1, "\xc4pfel", piece), "äpfel");
    EXPECT_EQ(decode(TransferEncoding::identity, Charset::utf8, "Ä\xff\xc3(", piece).substr(0, 2),
              "ä");
  }
  EXPECT_EQ(fold_header_text("=?utf-8?q?Gr=C3=BC?= =?iso-8859-1?B?3+U=?= End =?x"),
            "grüßå end =?x");
  EXPECT_EQ(fold_header_text("=?utf-8?q?a_b?="), "a b");
}

TEST(SearchTextTest, NeedlesInPieces) {
  const Needle needle("AbAbC");
  EXPECT_TRUE(needle.find("xxababababcxx"));
  EXPECT_FALSE(needle.find("ababab"));
  std::size_t state = 0;
  EXPECT_FALSE(needle.find("aba", state));
  EXPECT_FALSE(needle.find("ba", state));
  EXPECT_TRUE(needle.find("bc", state));
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    std::string wanted;
    for (std::size_t length = random() % 20; length > 0; --length) text += "ab"[random() % 2];
    for (std::size_t length = 1 + random() % 5; length > 0; --length) wanted += "ab"[random() % 2];
    ASSERT_EQ(Needle(wanted).find(text), text.find(wanted) != std::string::npos);
  }
}

TEST(SearchTextTest, SentDays) {
  const std::int64_t day = days_from_civil(2003, 7, 1);
  EXPECT_EQ(parse_sent_day("Tue, 1 Jul 2003 10:52:37 +0200"), day);
  EXPECT_EQ(parse_sent_day("1 Jul 03 23:59 GMT"), day);
  EXPECT_EQ(parse_sent_day("01 july 2003"), day);
  for (const std::string_view bad : {"", "yesterday", "1", "1 Jul", "32 Jul 2003", "1 Foo 2003",
                                     "99999999999 Jul 2003", "Tue, Jul 1 2003"}) {
    EXPECT_EQ(parse_sent_day(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace postern::imap

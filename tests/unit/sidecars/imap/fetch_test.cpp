// FETCH: items, sections, partials, envelopes and structures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

namespace postern::imap::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint16_t kSeen = static_cast<std::uint16_t>(store::Flag::seen);

constexpr std::string_view kNested =
    "Date: Mon, 1 Jul 2024 10:00:00 +0200\r\n"
    "From: \"A. Sender\" <a@example.org>\r\n"
    "To: b@example.org (Bee), Team: c@example.org, d@example.org;\r\n"
    "Subject: nested\r\n"
    "Message-ID: <1@example.org>\r\n"
    "In-Reply-To:\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=outer\r\n"
    "\r\n"
    "preamble\r\n"
    "--outer\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "\r\n"
    "one\r\n"
    "two\r\n"
    "--outer\r\n"
    "Content-Type: message/rfc822\r\n"
    "Content-Description: forwarded\r\n"
    "\r\n"
    "From: inner@example.org\r\n"
    "Subject: inside\r\n"
    "Content-Type: multipart/alternative; boundary=inner\r\n"
    "\r\n"
    "--inner\r\n"
    "\r\n"
    "plain\r\n"
    "--inner\r\n"
    "Content-Type: text/html\r\n"
    "\r\n"
    "<p>html</p>\r\n"
    "--inner--\r\n"
    "\r\n"
    "--outer\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "Subject: simple\r\n"
    "\r\n"
    "simple body\r\n"
    "--outer\r\n"
    "Content-Type: application/octet-stream; name=x.bin\r\n"
    "Content-Disposition: attachment; filename=x.bin\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
    "AAAA\r\n"
    "--outer--\r\n";

struct ImapFetchTest : ::testing::Test {
  FakeMailStore store;

  /// FETCH of one item of message 1 in a new session: what stands between "* 1 FETCH (" and ")".
  std::string fetch(std::string_view item) {
    SessionDriver driver(store);
    driver.log_in();
    const std::string answer = driver.talk("a UID FETCH 1 (" + std::string(item) + ")\r\n");
    constexpr std::string_view kBegin = "* 1 FETCH (UID 1 ";
    constexpr std::string_view kEnd = ")\r\na OK FETCH completed\r\n";
    EXPECT_THAT(answer, StartsWith(std::string(kBegin)));
    EXPECT_TRUE(answer.ends_with(kEnd)) << answer;
    return answer.substr(kBegin.size(), answer.size() - kBegin.size() - kEnd.size());
  }
  static std::string literal(std::string_view label, std::string_view octets) {
    return std::string(label) + " {" + std::to_string(octets.size()) + "}\r\n" +
           std::string(octets);
  }
};

TEST_F(ImapFetchTest, ItemsWithoutTheBody) {
  store.append(store.inbox, "0123456789", kSeen, 837570205000);
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a FETCH 1 (FLAGS UID INTERNALDATE RFC822.SIZE)\r\n"),
            "* 1 FETCH (FLAGS (\\Seen) UID 1 INTERNALDATE \"17-Jul-1996 02:23:25 +0000\" "
            "RFC822.SIZE 10)\r\na OK FETCH completed\r\n");
  EXPECT_EQ(driver.talk("b FETCH 1 FAST\r\n"),
            "* 1 FETCH (FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:23:25 +0000\" RFC822.SIZE "
            "10)\r\nb OK FETCH completed\r\n");
  EXPECT_EQ(driver.talk("c UID FETCH 1 FLAGS\r\n"),
            "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\nc OK FETCH completed\r\n");
  EXPECT_EQ(store.octets_read, 0u);
}

TEST_F(ImapFetchTest, MalformedFetches) {
  store.append(store.inbox, "x");
  SessionDriver driver(store);
  driver.log_in();
  for (const std::string_view arguments : {"",
                                           "1",
                                           "1 ",
                                           "1 ()",
                                           "1 (FLAGS",
                                           "1 FLAGS)",
                                           "1 (FLAGS  UID)",
                                           "x FLAGS",
                                           "1: FLAGS",
                                           "0 FLAGS",
                                           "1,, FLAGS",
                                           "2 FLAGS",
                                           "1:2 FLAGS",
                                           "1 BODY[",
                                           "1 BODY[X]",
                                           "1 BODY[MIME]",
                                           "1 BODY[0]",
                                           "1 BODY[1.]",
                                           "1 BODY[HEADER.FIELDS]",
                                           "1 BODY[HEADER.FIELDS ()]",
                                           "1 BODY[HEADER.FIELDS (A",
                                           "1 BODY[HEADER.FIELDS (\"a b\")]",
                                           "1 BODY[]<",
                                           "1 BODY[]<1>",
                                           "1 BODY[]<1.0>",
                                           "1 BODY[]<1.2",
                                           "1 BODY[]<x.2>",
                                           "1 BODYSTRUCTURE[]",
                                           "1 RFC822.PEEK",
                                           "1 (ALL FLAGS)",
                                           "1 FLAGS UID",
                                           "99999999999 FLAGS"}) {
    EXPECT_THAT(driver.talk("a FETCH " + std::string(arguments) + "\r\n"), StartsWith("a BAD"))
        << arguments;
    EXPECT_THAT(driver.talk("z NOOP\r\n"), StartsWith("z OK"));
  }
  EXPECT_THAT(driver.talk("a FETCH 1 (" + std::string(1000, ' ') + "FLAGS)\r\n"),
              StartsWith("a BAD"));
  std::string many = "a FETCH 1 (FLAGS";
  for (int index = 0; index < 64; ++index) many += " FLAGS";
  EXPECT_THAT(driver.talk(many + ")\r\n"), StartsWith("a BAD There are too many data items"));
  std::string names = "a FETCH 1 (";
  for (int item = 0; item < 6; ++item) {
    names += item == 0 ? "BODY.PEEK[HEADER.FIELDS (A" : " BODY.PEEK[HEADER.FIELDS (A";
    for (int name = 0; name < 99; ++name) names += " A";
    names += ")]";
  }
  EXPECT_THAT(driver.talk(names + ")\r\n"), StartsWith("a BAD There are too many header"));
  std::string path = "a FETCH 1 BODY[1";
  for (int level = 0; level < 64; ++level) path += ".1";
  EXPECT_THAT(driver.talk(path + "]\r\n"), StartsWith("a BAD There are too many part numbers"));
}

TEST_F(ImapFetchTest, SetsAreMergedAndStarIsTheLast) {
  for (int index = 0; index < 5; ++index) store.append(store.inbox, "x");
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a FETCH 4,2:1,2,* (UID)\r\n"),
            "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n* 4 FETCH (UID 4)\r\n* 5 FETCH (UID 5)\r\n"
            "a OK FETCH completed\r\n");
  EXPECT_EQ(driver.talk("b UID FETCH 99:* (UID)\r\n"),
            "* 5 FETCH (UID 5)\r\nb OK FETCH completed\r\n");
  EXPECT_EQ(driver.talk("c UID FETCH 77 (UID)\r\n"), "c OK FETCH completed\r\n");
  SessionDriver empty(store);
  store.add_folder("empty");
  empty.log_in("empty");
  EXPECT_EQ(empty.talk("d FETCH 1:* (UID)\r\n"), "d OK FETCH completed\r\n");
}

TEST_F(ImapFetchTest, WholeBodySetsSeen) {
  store.append(store.inbox, "Subject: x\r\n\r\nbody");
  store.append(store.inbox, "Subject: y\r\n\r\nbody", kSeen);
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a FETCH 1:2 (BODY.PEEK[])\r\n"),
            "* 1 FETCH (BODY[] {18}\r\nSubject: x\r\n\r\nbody)\r\n"
            "* 2 FETCH (BODY[] {18}\r\nSubject: y\r\n\r\nbody)\r\na OK FETCH completed\r\n");
  EXPECT_EQ(store.mutations, 0u);
  EXPECT_EQ(driver.talk("b FETCH 1:2 (BODY[])\r\n"),
            "* 1 FETCH (BODY[] {18}\r\nSubject: x\r\n\r\nbody FLAGS (\\Seen))\r\n"
            "* 2 FETCH (BODY[] {18}\r\nSubject: y\r\n\r\nbody)\r\nb OK FETCH completed\r\n");
  EXPECT_EQ(store.mutations, 1u);
  EXPECT_EQ(driver.talk("c NOOP\r\n"), "c OK NOOP completed\r\n") << "the flags were told already";
  store.set_flags(store.inbox, 1, 0);
  driver.send("d NOOP\r\n");
  EXPECT_EQ(driver.talk("e FETCH 1 (FLAGS RFC822.TEXT)\r\n"),
            "* 1 FETCH (FLAGS (\\Seen) RFC822.TEXT {4}\r\nbody)\r\ne OK FETCH completed\r\n");
  EXPECT_THAT(driver.talk("f FETCH 1 (RFC822.HEADER RFC822)\r\n"),
              HasSubstr("(RFC822.HEADER {14}\r\nSubject: x\r\n\r\n RFC822 {18}\r\nSubject: x"));
}

TEST_F(ImapFetchTest, EverySectionOfANestedMessage) {
  store.append(store.inbox, std::string(kNested), kSeen);
  const auto expect = [this](std::string_view section, std::string_view begin,
                             std::string_view end) {
    // From the first `begin` up to and including the first `end` behind it.
    const std::size_t from = kNested.find(begin);
    const std::size_t to = kNested.find(end, from) + end.size();
    const std::string label = "BODY[" + std::string(section) + "]";
    EXPECT_EQ(fetch(label), literal(label, kNested.substr(from, to - from))) << section;
  };
  const std::size_t header_end = kNested.find("preamble");
  EXPECT_EQ(fetch("BODY[]"), literal("BODY[]", kNested));
  EXPECT_EQ(fetch("BODY[HEADER]"), literal("BODY[HEADER]", kNested.substr(0, header_end)));
  EXPECT_EQ(fetch("BODY[TEXT]"), literal("BODY[TEXT]", kNested.substr(header_end)));
  expect("1", "one", "two");
  expect("1.MIME", "Content-Type: text/plain; charset", "\r\n\r\n");
  expect("2", "From: inner", "--inner--\r\n");
  expect("2.MIME", "Content-Type: message/rfc822\r\nContent-Desc", "\r\n\r\n");
  expect("2.HEADER", "From: inner", "\r\n\r\n");
  expect("2.TEXT", "--inner\r\n\r\nplain", "--inner--\r\n");
  expect("2.1", "plain\r\n--inner", "plain");
  expect("2.2", "<p>", "</p>");
  expect("2.2.MIME", "Content-Type: text/html", "\r\n\r\n");
  expect("3", "Subject: simple", "simple body");
  expect("3.1", "simple body", "simple body");
  expect("3.TEXT", "simple body", "simple body");
  expect("3.HEADER", "Subject: simple", "\r\n\r\n");
  expect("4", "AAAA", "AAAA");
  EXPECT_EQ(fetch("BODY[2.1.MIME]"), "BODY[2.1.MIME] {2}\r\n\r\n");
  EXPECT_EQ(fetch("BODY[2.HEADER.FIELDS (subject)]"),
            literal("BODY[2.HEADER.FIELDS (subject)]", "Subject: inside\r\n\r\n"));
  EXPECT_EQ(fetch("BODY[2.HEADER.FIELDS.NOT (subject From)]"),
            literal("BODY[2.HEADER.FIELDS.NOT (subject From)]",
                    "Content-Type: multipart/alternative; boundary=inner\r\n\r\n"));
  for (const std::string_view none :
       {"BODY[5]", "BODY[1.1]", "BODY[1.HEADER]", "BODY[2.3]", "BODY[3.2]", "BODY[4.TEXT]",
        "BODY[3.1.1]", "BODY[1.2.3.4]"}) {
    EXPECT_EQ(fetch(none), std::string(none) + " NIL");
  }
}

TEST_F(ImapFetchTest, HeaderFields) {
  store.append(store.inbox,
               "Received: one\r\n two\r\nSubject: s\r\nreceived: three\r\nX-Empty:\r\n\r\nbody",
               kSeen);
  EXPECT_EQ(fetch("BODY.PEEK[HEADER.FIELDS (RECEIVED X-None)]"),
            literal("BODY[HEADER.FIELDS (RECEIVED X-None)]",
                    "Received: one\r\n two\r\nreceived: three\r\n\r\n"));
  EXPECT_EQ(fetch("BODY[HEADER.FIELDS.NOT (Received)]"),
            literal("BODY[HEADER.FIELDS.NOT (Received)]", "Subject: s\r\nX-Empty:\r\n\r\n"));
  EXPECT_EQ(fetch("BODY[HEADER.FIELDS (\"subject\")]"),
            literal("BODY[HEADER.FIELDS (subject)]", "Subject: s\r\n\r\n"));
  EXPECT_EQ(fetch("BODY[HEADER.FIELDS (subject)]<2.4>"),
            literal("BODY[HEADER.FIELDS (subject)]<2>", "bjec"));
}

TEST_F(ImapFetchTest, Partials) {
  store.append(store.inbox, "Subject: x\r\n\r\n0123456789", kSeen);
  EXPECT_EQ(fetch("BODY[]<0.7>"), literal("BODY[]<0>", "Subject"));
  EXPECT_EQ(fetch("BODY[]<20.100>"), literal("BODY[]<20>", "6789"));
  EXPECT_EQ(fetch("BODY[]<24.1>"), literal("BODY[]<24>", ""));
  EXPECT_EQ(fetch("BODY[]<4294967295.4294967295>"), literal("BODY[]<4294967295>", ""));
  EXPECT_EQ(fetch("BODY[TEXT]<2.3>"), literal("BODY[TEXT]<2>", "234"));
  EXPECT_EQ(fetch("BODY[1]<2.3>"), literal("BODY[1]<2>", "234"));
  EXPECT_EQ(fetch("BODY[HEADER]<9.1>"), literal("BODY[HEADER]<9>", "x"));
}

TEST_F(ImapFetchTest, SinglePartMessages) {
  store.append(store.inbox, "Subject: x\r\n\r\nbody", kSeen);
  EXPECT_EQ(fetch("BODY[1]"), literal("BODY[1]", "body"));
  EXPECT_EQ(fetch("BODY[1.MIME]"), literal("BODY[1.MIME]", "Subject: x\r\n\r\n"));
  EXPECT_EQ(fetch("BODY[2]"), "BODY[2] NIL");
  EXPECT_EQ(
      fetch("BODYSTRUCTURE"),
      "BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1 NIL NIL "
      "NIL NIL)");
  EXPECT_EQ(fetch("BODY"),
            "BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1)");
}

TEST_F(ImapFetchTest, EmptyAndHeaderlessMessages) {
  store.append(store.inbox, "", kSeen);
  EXPECT_EQ(fetch("BODY[]"), literal("BODY[]", ""));
  EXPECT_EQ(fetch("BODY[HEADER]"), literal("BODY[HEADER]", ""));
  EXPECT_EQ(fetch("ENVELOPE"), "ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
  EXPECT_THAT(fetch("BODYSTRUCTURE"), StartsWith("BODYSTRUCTURE (\"text\" \"plain\""));
}

TEST_F(ImapFetchTest, Envelope) {
  store.append(store.inbox, std::string(kNested), kSeen);
  EXPECT_EQ(fetch("ENVELOPE"),
            "ENVELOPE (\"Mon, 1 Jul 2024 10:00:00 +0200\" \"nested\" "
            "((\"A. Sender\" NIL \"a\" \"example.org\")) "
            "((\"A. Sender\" NIL \"a\" \"example.org\")) "
            "((\"A. Sender\" NIL \"a\" \"example.org\")) "
            "((\"Bee\" NIL \"b\" \"example.org\")(NIL NIL \"Team\" NIL)"
            "(NIL NIL \"c\" \"example.org\")(NIL NIL \"d\" \"example.org\")(NIL NIL NIL NIL)) "
            "NIL NIL NIL \"<1@example.org>\")");
}

TEST_F(ImapFetchTest, EnvelopeOddities) {
  // IMAP-44: present but empty is NIL; IMAP-12: 8-bit only in a literal; IMAP-47: junk is read as
  // far as it goes.
  store.append(
      store.inbox,
      "Subject: caf\xc3\xa9 \"q\"\r\nDate:\r\nMessage-ID: \r\nSender:\r\n"
      "From: =?utf-8?q?J=C3=B6?= <@r1,@r2:j@x>, nobody, <>, @, \"unclosed\r\nTo: ;,:,\r\n\r\n",
      kSeen);
  EXPECT_EQ(
      fetch("ENVELOPE"),
      "ENVELOPE (NIL {9}\r\ncaf\xc3\xa9 \"q\" "
      "((\"=?utf-8?q?J=C3=B6?=\" \"@r1,@r2\" \"j\" \"x\")(NIL NIL \"nobody\" \"\")(NIL NIL \"\" "
      "\"\")(NIL NIL \"\" \"\")(NIL NIL \"unclosed\" \"\")) "
      "((\"=?utf-8?q?J=C3=B6?=\" \"@r1,@r2\" \"j\" \"x\")(NIL NIL \"nobody\" \"\")(NIL NIL \"\" "
      "\"\")(NIL NIL \"\" \"\")(NIL NIL \"unclosed\" \"\")) "
      "((\"=?utf-8?q?J=C3=B6?=\" \"@r1,@r2\" \"j\" \"x\")(NIL NIL \"nobody\" \"\")(NIL NIL \"\" "
      "\"\")(NIL NIL \"\" \"\")(NIL NIL \"unclosed\" \"\")) "
      "((NIL NIL \"\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)");
}

TEST_F(ImapFetchTest, BodyStructureOfANestedMessage) {
  store.append(store.inbox, std::string(kNested), kSeen);
  EXPECT_EQ(
      fetch("BODYSTRUCTURE"),
      "BODYSTRUCTURE ("
      "(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 8 2 NIL NIL NIL NIL)"
      "(\"message\" \"rfc822\" NIL NIL \"forwarded\" \"7bit\" 175 "
      "(NIL \"inside\" ((NIL NIL \"inner\" \"example.org\")) ((NIL NIL \"inner\" \"example.org\")) "
      "((NIL NIL \"inner\" \"example.org\")) NIL NIL NIL NIL NIL) "
      "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL)"
      "(\"text\" \"html\" NIL NIL NIL \"7bit\" 11 1 NIL NIL NIL NIL) \"alternative\" "
      "(\"boundary\" \"inner\") NIL NIL NIL) 12 NIL NIL NIL NIL)"
      "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 30 (NIL \"simple\" NIL NIL NIL NIL NIL NIL NIL "
      "NIL) "
      "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 11 1 NIL NIL NIL NIL) 3 NIL "
      "NIL "
      "NIL NIL)"
      "(\"application\" \"octet-stream\" (\"name\" \"x.bin\") NIL NIL \"base64\" 4 NIL "
      "(\"attachment\" "
      "(\"filename\" \"x.bin\")) NIL NIL) "
      "\"mixed\" (\"boundary\" \"outer\") NIL NIL NIL)");
  EXPECT_THAT(fetch("BODY"), Not(HasSubstr("attachment")));
  EXPECT_THAT(fetch("BODY"), HasSubstr("\"7bit\" 11 1) \"alternative\") 12)"));
}

TEST_F(ImapFetchTest, MultipartWithoutParts) {
  store.append(store.inbox, "Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n", kSeen);
  EXPECT_EQ(
      fetch("BODY"),
      "BODY ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")");
  EXPECT_EQ(fetch("BODY[1]"), "BODY[1] NIL");
}

TEST_F(ImapFetchTest, ManySmallMessagesTakeFewReads) {
  for (int index = 0; index < 600; ++index) {
    store.append(store.inbox,
                 "Subject: " + std::to_string(index) + "\r\n\r\n" + std::string(4000, 'x'));
  }
  SessionDriver driver(store);
  driver.log_in();
  const std::size_t before = store.requests;
  const std::string answer = driver.talk("a FETCH 1:* (BODY.PEEK[])\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\nSubject: 599\r\n"));
  EXPECT_LE(store.requests - before, 11u);
  EXPECT_LE(store.octets_read_at_once_max, sidecars::kReadBatchOctets);
  const std::size_t headers = store.requests;
  driver.talk("b FETCH 1:* (ENVELOPE)\r\n");
  EXPECT_LE(store.requests - headers, 11u);
  const std::size_t seen = store.mutations;
  driver.talk("c FETCH 1:* (BODY[])\r\n");
  EXPECT_LE(store.mutations - seen, 11u);
  EXPECT_EQ(store.head(store.inbox).unseen_count, 0u);
}

}  // namespace
}  // namespace postern::imap::testing

// SEARCH and UID SEARCH.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecars/imap/limits.hpp"
#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

namespace postern::imap::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kDayMs = 86'400'000;

struct ImapSearchTest : ::testing::Test {
  ImapSearchTest() : driver(store) {
    // 1: seen, 10 January 1970; 2: flagged, 11 January; 3: deleted and answered, 12 January.
    store.append(
        store.inbox,
        "Date: Tue, 1 Jul 2003 10:00:00 +0200\r\nFrom: Anna <anna@example.org>\r\nTo: "
        "bob@example.org\r\nCc: Carol\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?q?_aus?="
        " Ulm\r\n\r\nHello World\r\n",
        1, 9 * kDayMs);
    store.append(
        store.inbox,
        "Date: 2 Jul 2003 10:00:00 +0200\r\nSubject: report\r\nX-Tag: yes\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        "R2VoZWltZSDDhHBmZWw=\r\n--b\r\nContent-Type: application/x-data\r\n\r\nneedle\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: forwarded thing\r\n\r\ninner "
        "text\r\n--b--\r\n",
        4, 10 * kDayMs + 5);
    store.append(store.inbox, "Subject: empty\r\nBcc: dave@example.org\r\n\r\n", 8 | 2,
                 12 * kDayMs - 1);
    driver.log_in();
  }
  std::string search(std::string_view keys) {
    const std::string answer = driver.talk("a SEARCH " + std::string(keys) + "\r\n");
    constexpr std::string_view kEnd = "\r\na OK SEARCH completed\r\n";
    if (!answer.starts_with("* SEARCH") || !answer.ends_with(kEnd)) return answer;
    const std::string found = answer.substr(8, answer.size() - 8 - kEnd.size());
    return found.empty() ? found : found.substr(1);
  }
  FakeMailStore store;
  SessionDriver driver;
};

TEST_F(ImapSearchTest, KeysThatNeedNoBody) {
  EXPECT_EQ(search("ALL"), "1 2 3");
  EXPECT_EQ(search("seen"), "1");
  EXPECT_EQ(search("UNSEEN UNDELETED"), "2");
  EXPECT_EQ(search("ANSWERED"), "3");
  EXPECT_EQ(search("DRAFT"), "");
  EXPECT_EQ(search("FLAGGED"), "2");
  EXPECT_EQ(search("OLD"), "1 2 3");
  EXPECT_EQ(search("NEW"), "");
  EXPECT_EQ(search("RECENT"), "");
  EXPECT_EQ(search("2:*"), "2 3");
  EXPECT_EQ(search("1,3 UID 2:9"), "3");
  EXPECT_EQ(search("NOT 2"), "1 3");
  EXPECT_EQ(search("OR SEEN DELETED"), "1 3");
  EXPECT_EQ(search("(SEEN) (UNDELETED)"), "1");
  EXPECT_EQ(search("LARGER 200"), "2");
  EXPECT_EQ(search("SMALLER 50"), "3");
  EXPECT_EQ(search("BEFORE 11-Jan-1970"), "1");
  EXPECT_EQ(search("ON 11-Jan-1970"), "2");
  EXPECT_EQ(search("SINCE \"11-Jan-1970\""), "2 3");
  EXPECT_EQ(search("KEYWORD $None"), "");
  EXPECT_EQ(search("UNKEYWORD $None"), "1 2 3");
  EXPECT_EQ(store.octets_read, 0u);
  driver.send("s STORE 2 +FLAGS ($Work)\r\n");
  EXPECT_EQ(search("KEYWORD $work"), "2");
  EXPECT_EQ(driver.talk("a UID SEARCH UID 2:3\r\n"), "* SEARCH 2 3\r\na OK SEARCH completed\r\n");
}

TEST_F(ImapSearchTest, HeaderKeys) {
  EXPECT_EQ(search("FROM anna"), "1");
  EXPECT_EQ(search("FROM \"EXAMPLE.org\""), "1");
  EXPECT_EQ(search("TO bob"), "1");
  EXPECT_EQ(search("CC carol"), "1");
  EXPECT_EQ(search("BCC dave"), "3");
  EXPECT_EQ(search("SUBJECT report"), "2");
  EXPECT_EQ(search("CHARSET UTF-8 SUBJECT {18+}\r\nGR\xc3\x9c\xc3\x9f"
                   "E aus ulm xx"),
            "");
  EXPECT_EQ(search("CHARSET UTF-8 SUBJECT {15+}\r\nGR\xc3\x9c\xc3\x9f"
                   "E aus ulm"),
            "1");
  EXPECT_EQ(search("HEADER X-Tag \"\""), "2");
  EXPECT_EQ(search("HEADER x-tag ye"), "2");
  EXPECT_EQ(search("HEADER Subject e"), "1 2 3");
  EXPECT_EQ(search("SENTBEFORE 2-Jul-2003"), "1");
  EXPECT_EQ(search("SENTON 2-Jul-2003"), "2");
  EXPECT_EQ(search("SENTSINCE 1-Jul-2003"), "1 2");
  EXPECT_EQ(search("NOT SUBJECT report SEEN"), "1");
}

TEST_F(ImapSearchTest, BodyKeys) {
  EXPECT_EQ(search("BODY \"hello world\""), "1");
  EXPECT_EQ(search("BODY anna"), "");
  EXPECT_EQ(search("TEXT anna"), "1");
  EXPECT_EQ(search("CHARSET utf-8 BODY {14+}\r\nGEHEIME \xc3\x84PFEL"), "2") << "base64 is decoded";
  EXPECT_EQ(search("BODY needle"), "") << "attachments are not text";
  EXPECT_EQ(search("BODY \"inner text\""), "2");
  EXPECT_EQ(search("BODY \"forwarded thing\""), "2");
  EXPECT_EQ(search("TEXT x-tag"), "2");
  EXPECT_EQ(search("BODY \"\""), "1 2 3");
  EXPECT_EQ(search("OR BODY hello SUBJECT empty"), "1 3");
  EXPECT_EQ(search("NOT BODY hello"), "2 3");
}

TEST_F(ImapSearchTest, OnlyUndecidedMessagesAreRead) {
  const std::uint64_t before = store.octets_read;
  EXPECT_EQ(search("DELETED SUBJECT empty"), "3");
  EXPECT_EQ(store.octets_read - before, store.entries(store.inbox)[2].size_octets);
}

TEST_F(ImapSearchTest, LargeBodiesAreSearchedInPieces) {
  const std::string beginning = "Subject: big\r\n\r\n" + std::string(400000, '.') + "deep";
  store.append_large(store.inbox, beginning, 3 << 20);
  driver.send("n NOOP\r\n");
  EXPECT_EQ(search("BODY deepThe"), "");
  EXPECT_EQ(search("BODY \".deep\""), "4");
  EXPECT_LE(store.octets_read_at_once_max, sidecars::kReadBatchOctets);
}

TEST_F(ImapSearchTest, VanishedBodiesDoNotMatch) {
  store.lose_body(store.inbox, 2);
  EXPECT_EQ(search("SUBJECT r"), "1");
  EXPECT_EQ(search("NOT SUBJECT zzz"), "1 3");
}

TEST_F(ImapSearchTest, Nesting) {
  // IMAP-35: ten levels at least; deeper than the limit is a clear BAD.
  for (const std::size_t depth : {1u, 10u, 31u}) {
    std::string keys(depth, '(');
    keys += "SEEN" + std::string(depth, ')');
    EXPECT_EQ(search(keys), "1") << depth;
  }
  EXPECT_EQ(
      search("(SEEN (OR DELETED (OR FLAGGED (OR DRAFT (OR ANSWERED (OR SEEN (OR NEW (OR RECENT "
             "(OR SEEN (OR DRAFT SEEN))))))))))"),
      "1");
  EXPECT_THAT(
      search(std::string(kSearchDepthMax, '(') + "SEEN" + std::string(kSearchDepthMax, ')')),
      StartsWith("a BAD The search keys are nested too deeply"));
  std::string nots;
  for (int index = 0; index < 30; ++index) nots += "NOT ";
  EXPECT_EQ(search(nots + "SEEN"), "1");
  EXPECT_THAT(search(nots + "NOT NOT NOT SEEN"), StartsWith("a BAD"));
  EXPECT_THAT(search(std::string(50000, '(')), StartsWith("a BAD"));
}

TEST_F(ImapSearchTest, Bounds) {
  std::string keys = "SEEN";
  for (std::size_t key = 1; key < kSearchKeysMax; ++key) keys += " SEEN";
  EXPECT_EQ(search(keys), "1");
  EXPECT_THAT(search(keys + " SEEN"), StartsWith("a BAD There are too many search keys"));
  std::string texts = "BODY zq";
  for (std::size_t text = 1; text < kSearchTextsMax; ++text) texts += " BODY zq";
  EXPECT_EQ(search(texts), "");
  EXPECT_THAT(search(texts + " BODY zq"), StartsWith("a BAD There are too many texts"));
  EXPECT_THAT(search("BODY " + std::string(kSearchTextOctetsMax + 1, 'x')), StartsWith("a BAD"));
}

TEST_F(ImapSearchTest, Malformed) {
  for (const std::string_view keys : {"",
                                      "XYZ",
                                      "SEEN  SEEN",
                                      "()",
                                      "(SEEN",
                                      "SEEN)",
                                      "NOT",
                                      "OR SEEN",
                                      "BEFORE",
                                      "BEFORE 1-Foo-2000",
                                      "BEFORE 2000-01-01",
                                      "BEFORE 32-Jan-2000",
                                      "LARGER x",
                                      "LARGER -1",
                                      "UID",
                                      "UID x",
                                      "9",
                                      "HEADER x",
                                      "KEYWORD",
                                      "CHARSET",
                                      "CHARSET UTF-8",
                                      "SUBJECT \"x"}) {
    EXPECT_THAT(search(keys), StartsWith("a BAD")) << keys;
  }
  EXPECT_EQ(search("SEEN "), "1");
}

TEST_F(ImapSearchTest, Charsets) {
  EXPECT_EQ(search("CHARSET us-ascii SEEN"), "1");
  EXPECT_EQ(search("CHARSET KOI8-R SUBJECT x"),
            "a NO [BADCHARSET (US-ASCII UTF-8)] The character set is not supported\r\n");
  SessionDriver exchange(store, make_profile(Behaviour::exchange));
  exchange.log_in();
  EXPECT_EQ(exchange.talk("b SEARCH CHARSET UTF-8 ALL\r\n"),
            "b NO [BADCHARSET (US-ASCII)] The character set is not supported\r\n");
  EXPECT_THAT(exchange.talk("c SEARCH UNKEYWORD x\r\n"), HasSubstr("* SEARCH 1 2 3\r\n"));
}

}  // namespace
}  // namespace postern::imap::testing

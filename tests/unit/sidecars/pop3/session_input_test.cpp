// Lines: however they are cut, however long they are, whatever is in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace postern::pop3::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

void fill(FakeMailStore& store) {
  store.add("Subject: one\r\n\r\n.hidden dot\r\n");
  store.add(std::string(3000, 'z') + "\r\n\r\nlong\r\nlines\r\n");
  store.add("no final line end");
}

const std::vector<std::string>& scripts() {
  static const std::vector<std::string> all = {
      "CAPA\r\nUSER anna@example.org\r\nPASS s3cret pass\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nRETR "
      "3\r\n"
      "TOP 2 1\r\nDELE 1\r\nRETR 1\r\nLIST\r\nRSET\r\nDELE 3\r\nNOOP\r\nQUIT\r\n",
      "NOOP\nUSER x\nPASS y\nFOO\r\n\r\n \r\nAUTH PLAIN\r\n*\r\nAUTH LOGIN\r\n"
      "YW5uYUBleGFtcGxlLm9yZw==\r\nczNjcmV0IHBhc3M=\r\nLANG\r\nRETR 3\r\nRETR 2\r\nRETR "
      "1\r\nQUIT\n",
      "USER a\r\nPASS 1\r\nUSER a\r\nPASS 2\r\nUSER a\r\nPASS 3\r\nCAPA\r\n",
      "CAPA\r\n" + std::string(600, 'L') +
          "\r\nUSER anna@example.org\r\nPASS s3cret pass\r\nSTAT\r\n" + std::string(511, 'M') +
          "\n" + std::string(512, 'M') + "\nUTF8\r\nTOP 1 0\r\nDELE 2\r\nQUIT\r\n",
      "A\r\nB\r\nC\r\nD\r\nE\r\nF\r\nG\r\nH\r\nI\r\nJ\r\nK\r\n",
  };
  return all;
}

std::string run(const std::vector<std::string_view>& pieces) {
  FakeMailStore store;
  fill(store);
  Pop3Driver driver(store);
  for (const auto piece : pieces) driver.feed(piece);
  return driver.take_output() + (driver.closed ? "(closed)" : "(open)") +
         std::to_string(store.entries.size());
}

TEST(Input, EveryCutGivesTheSameOutput) {
  for (const std::string& script : scripts()) {
    const std::string_view view = script;
    const std::string whole = run({view});
    std::vector<std::string_view> octets;
    for (std::size_t i = 0; i < view.size(); ++i) octets.push_back(view.substr(i, 1));
    ASSERT_EQ(run(octets), whole);
    for (std::size_t i = 1; i < view.size(); ++i)
      ASSERT_EQ(run({view.substr(0, i), view.substr(i)}), whole) << i;
  }
}

TEST(Input, FirstScriptRunsToTheEnd) {
  EXPECT_THAT(run({scripts()[0]}), EndsWith("+OK 1 messages removed, bye\r\n(closed)2"));
}

TEST(Input, CommandLengthLimit) {  // POP-02
  for (const std::uint32_t limit : {40u, 255u, 512u, 1024u}) {
    FakeMailStore store;
    Pop3Profile profile = open_profile();
    profile.settings.command_octets_max = limit;
    profile.exact_command_limit = true;
    Pop3Driver driver(store, profile);
    const std::string fits = "USER " + std::string(limit - 7, 'u') + "\r\n";
    ASSERT_EQ(fits.size(), limit);
    EXPECT_THAT(driver.ask(fits), StartsWith("+OK"));
    EXPECT_EQ(driver.ask("USER " + std::string(limit - 6, 'u') + "\r\n"), "-ERR line too long\r\n");
    EXPECT_THAT(driver.ask("USER a\r\n"), StartsWith("+OK"));
  }
}

TEST(Input, LimitIsClampedToWhatTheDocumentAllows) {  // POP-02
  struct Case {
    bool exact;
    std::uint32_t set;
    std::uint32_t effective;
  };
  for (const auto& [exact, set, effective] : {Case{true, 1, 40}, Case{true, 100'000, 1024},
                                              Case{false, 1, 255}, Case{false, 100'000, 1024}}) {
    FakeMailStore store;
    Pop3Profile profile = open_profile();
    profile.settings.command_octets_max = set;
    profile.exact_command_limit = exact;
    Pop3Driver driver(store, profile);
    EXPECT_THAT(driver.ask("USER " + std::string(effective - 7, 'u') + "\r\n"), StartsWith("+OK"));
    EXPECT_THAT(driver.ask("USER " + std::string(effective - 6, 'u') + "\r\n"), StartsWith("-ERR"));
  }
}

TEST(Input, AnEndlessLineEndsTheSession) {
  FakeMailStore store;
  Pop3Driver driver(store);
  driver.take_output();
  std::size_t fed = 0;
  const std::string piece(16 * 1024, 'x');
  while (!driver.closed && fed < 10'000'000) {
    driver.feed(piece);
    fed += piece.size();
    EXPECT_EQ(driver.kept_octets() > piece.size(), false);
  }
  EXPECT_LE(fed, kOverlongLineOctetsMax + piece.size());
  EXPECT_EQ(driver.take_output(), "-ERR line too long, closing connection\r\n");
  EXPECT_EQ(driver.observer.ends.at(0).reason, EndReason::bad_commands);
}

TEST(Input, ATenMegabyteLineAtOnce) {
  FakeMailStore store;
  Pop3Driver driver(store);
  driver.feed(std::string(10'000'000, '\xff') + "\r\nCAPA\r\n");
  EXPECT_TRUE(driver.closed);
}

TEST(Input, NulsAreRefused) {
  FakeMailStore store;
  Pop3Driver driver(store);
  driver.take_output();
  EXPECT_EQ(driver.ask(std::string_view("USER a\0b\r\n", 10)), "-ERR NUL in a command\r\n");
  EXPECT_EQ(driver.ask(std::string_view("AUTH PLAIN\r\nAA\0A\r\nPASS x\r\n", 26)),
            "+ \r\n-ERR NUL in a command\r\n-ERR send USER first\r\n");
}

TEST(Input, BadCommandsInARowEndTheSession) {
  FakeMailStore store;
  Pop3Driver driver(store);
  for (std::uint32_t i = 1; i < kBadCommandsMax; ++i) driver.feed("GET / HTTP/1.1\r\n");
  driver.feed("CAPA\r\n");  // understood: the count starts again
  for (std::uint32_t i = 1; i < kBadCommandsMax; ++i) driver.feed("Host: x\r\n");
  EXPECT_FALSE(driver.closed);
  EXPECT_THAT(driver.ask("\r\n"), StartsWith("-ERR too many unreadable commands"));
  EXPECT_TRUE(driver.closed);
}

TEST(Input, ACommandFloodThatReadsNothingIsNotBuffered) {
  FakeMailStore store;
  fill(store);
  Pop3Driver driver(store);
  driver.login();
  driver.auto_sent = false;
  std::string flood;
  for (int i = 0; i < 20'000; ++i) flood += "CAPA\r\n";
  driver.feed(flood);
  EXPECT_LT(driver.largest_output_octets, kOutputHighWaterOctets + 1024);
  EXPECT_GT(driver.kept_octets(), 0u);
  driver.auto_sent = true;
  driver.output_sent();
  EXPECT_EQ(driver.kept_octets(), 0u);
}

TEST(Input, PipeliningKeepsTheOrder) {
  FakeMailStore store;
  fill(store);
  Pop3Driver driver(store);
  EXPECT_EQ(
      driver.ask("USER anna@example.org\r\nPASS s3cret pass\r\nLIST 1\r\nTOP 3 0\r\nDELE 1\r\n"
                 "STAT\r\nNOOP\r\nQUIT\r\n"),
      "+OK send the password\r\n+OK maildrop has 3 messages (3063 octets)\r\n+OK 1 29\r\n"
      "+OK top of message follows\r\nno final line end\r\n.\r\n"
      "+OK message 1 marked as deleted\r\n+OK 2 3034\r\n+OK\r\n+OK 1 messages removed, bye\r\n");
}

TEST(Input, RandomOctetsNeverBreakTheSession) {
  std::mt19937 random(11);
  const std::vector<std::string> words = {"USER ",
                                          "anna@example.org",
                                          "PASS ",
                                          "s3cret pass",
                                          "\r\n",
                                          "\r\n",
                                          "\n",
                                          "RETR ",
                                          "1",
                                          "2",
                                          "3",
                                          "TOP ",
                                          " 0",
                                          "DELE ",
                                          "LIST",
                                          "UIDL",
                                          "QUIT",
                                          "RSET",
                                          "AUTH ",
                                          "PLAIN",
                                          "*",
                                          "\t",
                                          std::string(1, '\0'),
                                          "\xff",
                                          "STLS",
                                          "CAPA",
                                          "STAT"};
  for (int round = 0; round < 2000; ++round) {
    FakeMailStore store;
    fill(store);
    Pop3Driver driver(store);
    if (round % 2 == 0) driver.login();
    for (int i = 0; i < 60; ++i) driver.feed(words[random() % words.size()]);
    driver.end_of_input();
    ASSERT_TRUE(driver.closed);
    ASSERT_EQ(driver.observer.ends.size(), 1u);
  }
}

}  // namespace
}  // namespace postern::pop3::test

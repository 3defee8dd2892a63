// STAT, LIST, UIDL, DELE, RSET, NOOP and arguments of all commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace postern::pop3::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

struct TransactionTest : testing::Test {
  TransactionTest() {
    store.uid_gap = 10;
    for (const char* body : {"a\r\n", "bb\r\n", "ccc\r\n"}) store.add(body);  // uids 1 11 21
    driver.emplace(store);
    driver->login();
  }
  std::string ask(std::string_view command) { return driver->ask(std::string(command) + "\r\n"); }
  FakeMailStore store;
  std::optional<Pop3Driver> driver;
};

TEST_F(TransactionTest, StatListUidl) {  // POP-04, POP-15
  EXPECT_EQ(ask("STAT"), "+OK 3 12\r\n");
  EXPECT_EQ(ask("LIST"), "+OK 3 messages (12 octets)\r\n1 3\r\n2 4\r\n3 5\r\n.\r\n");
  EXPECT_EQ(ask("LIST 2"), "+OK 2 4\r\n");
  EXPECT_EQ(ask("UIDL"), "+OK unique-id listing follows\r\n1 1\r\n2 11\r\n3 21\r\n.\r\n");
  EXPECT_EQ(ask("uidl 3"), "+OK 3 21\r\n");
  EXPECT_EQ(ask("NOOP"), "+OK\r\n");
  EXPECT_EQ(store.bodies_requests, 0u);  // from the rows alone
}

TEST_F(TransactionTest, DeleHidesAndRsetBringsBack) {
  EXPECT_EQ(ask("DELE 2"), "+OK message 2 marked as deleted\r\n");
  EXPECT_EQ(ask("STAT"), "+OK 2 8\r\n");
  EXPECT_EQ(ask("LIST"), "+OK 2 messages (8 octets)\r\n1 3\r\n3 5\r\n.\r\n");
  EXPECT_EQ(ask("UIDL"), "+OK unique-id listing follows\r\n1 1\r\n3 21\r\n.\r\n");
  for (const char* command : {"DELE 2", "LIST 2", "UIDL 2", "RETR 2", "TOP 2 0"})
    EXPECT_EQ(ask(command), "-ERR message 2 is marked as deleted\r\n") << command;
  EXPECT_EQ(ask("RSET"), "+OK maildrop has 3 messages (12 octets)\r\n");
  EXPECT_EQ(ask("LIST 2"), "+OK 2 4\r\n");
  EXPECT_TRUE(store.expunges.empty());
}

TEST_F(TransactionTest, UnknownMessageNumbers) {
  for (const char* verb : {"LIST ", "UIDL ", "RETR ", "DELE "})
    for (const char* number : {"0", "4", "99999999999999999999"})
      EXPECT_EQ(ask(std::string(verb) + number), "-ERR no such message, only 3 in maildrop\r\n");
  for (const char* number : {"-1", "x", "1,2", "*"})
    EXPECT_EQ(ask(std::string("RETR ") + number), "-ERR a message-number is a decimal number\r\n");
  EXPECT_EQ(ask("TOP 4 0"), "-ERR no such message, only 3 in maildrop\r\n");
  EXPECT_THAT(ask("TOP 1 -1"), StartsWith("-ERR the number of lines"));
}

TEST_F(TransactionTest, WrongArgumentCounts) {
  for (const char* command :
       {"STAT 1", "NOOP x", "RSET 1", "QUIT now", "RETR", "RETR 1 2", "DELE", "DELE 1 2", "TOP",
        "TOP 1", "TOP 1 2 3", "LIST 1 2", "UIDL 1 2", "CAPA x", "LANG a b"})
    EXPECT_THAT(ask(command), StartsWith("-ERR syntax: ")) << command;
  EXPECT_FALSE(driver->closed);
}

TEST_F(TransactionTest, BlanksAreRunsOfSpacesAndTabs) {  // POP-01
  EXPECT_EQ(ask("LIST\t \t2  "), "+OK 2 4\r\n");
  EXPECT_EQ(ask("STAT\t"), "+OK 3 12\r\n");
  EXPECT_THAT(ask("TOP \t1\t\t0 \t"), StartsWith("+OK top of message"));
}

TEST_F(TransactionTest, TheMaildropIsFrozen) {  // POP-03
  store.add("new\r\n");
  store.expunge(11);
  driver->mailbox_changed();
  EXPECT_EQ(ask("STAT"), "+OK 3 12\r\n");
  EXPECT_EQ(ask("LIST"), "+OK 3 messages (12 octets)\r\n1 3\r\n2 4\r\n3 5\r\n.\r\n");
  Pop3Driver other(store);
  other.login();
  EXPECT_EQ(other.ask("UIDL\r\n"), "+OK unique-id listing follows\r\n1 1\r\n2 21\r\n3 31\r\n.\r\n");
}

TEST_F(TransactionTest, TwoSessionsOfOneMaildrop) {  // POP-03
  Pop3Driver other(store);
  other.login();
  EXPECT_EQ(other.ask("STAT\r\n"), ask("STAT"));
}

TEST_F(TransactionTest, ResponsesAreShort) {  // POP-06
  std::string output = driver->output();
  for (const char* command :
       {"CAPA", "LIST", "RETR 1", "X", "TOP 1 x", "STAT 7", "USER x", "LANG zz"})
    output += ask(command);
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = output.find("\r\n", at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end + 2 - at, 512u);
    at = end + 2;
  }
}

TEST(Transaction, ALargeMaildropOpensAndIsListedWithoutReadingABody) {
  constexpr std::size_t kMessages = 100'000;
  FakeMailStore store;
  for (std::size_t i = 0; i < kMessages; ++i)
    store.entries.push_back({.uid = static_cast<store::Uid>(i + 1),
                             .modseq = 1,
                             .body = store::BodyId{i + 1},
                             .size_octets = 4096});
  Pop3Driver driver(store);
  driver.login();
  EXPECT_EQ(driver.ask("STAT\r\n"), "+OK 100000 409600000\r\n");
  EXPECT_THAT(driver.ask("LIST\r\n"), EndsWith("\r\n100000 4096\r\n.\r\n"));
  EXPECT_THAT(driver.ask("UIDL\r\n"), EndsWith("\r\n100000 100000\r\n.\r\n"));
  EXPECT_EQ(store.requests, 2u) << "a login and a snapshot";
  EXPECT_EQ(store.bodies_requests, 0u);
}

TEST(Transaction, EmptyMaildrop) {
  FakeMailStore store;
  Pop3Driver driver(store);
  driver.login();
  EXPECT_EQ(driver.ask("STAT\r\n"), "+OK 0 0\r\n");
  EXPECT_EQ(driver.ask("LIST\r\n"), "+OK 0 messages (0 octets)\r\n.\r\n");
  EXPECT_EQ(driver.ask("UIDL\r\n"), "+OK unique-id listing follows\r\n.\r\n");
  EXPECT_EQ(driver.ask("RETR 1\r\n"), "-ERR no such message, only 0 in maildrop\r\n");
}

TEST(Transaction, ALongHostNameIsCut) {  // POP-06
  FakeMailStore store;
  Pop3Profile profile = open_profile();
  profile.hostname.assign(2000, 'h');
  Pop3Driver driver(store, profile);
  EXPECT_EQ(driver.take_output().size(), 512u);
}

TEST(Transaction, ListingOfALargeMaildropWaitsForTheReader) {
  FakeMailStore store;
  for (int i = 0; i < 60'000; ++i) store.add("");
  Pop3Driver driver(store);
  driver.login();
  driver.auto_sent = false;
  driver.ask("LIST\r\nNOOP\r\n");
  EXPECT_LT(driver.largest_output_octets, kOutputHighWaterOctets + 32 * 1024);
  EXPECT_EQ(driver.kept_octets(), 6u);
  driver.auto_sent = true;
  driver.output_sent();
  EXPECT_THAT(driver.take_output(), HasSubstr("60000 0\r\n.\r\n+OK\r\n"));
}

}  // namespace
}  // namespace postern::pop3::test

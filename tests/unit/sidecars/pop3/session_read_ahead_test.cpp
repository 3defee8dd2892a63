// How many trips to the store the usual client patterns cost.
#include <gtest/gtest.h>

#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace postern::pop3::test {
namespace {

struct SessionReadAheadTest : testing::Test {
  SessionReadAheadTest() {
    for (int i = 0; i < kMessages; ++i) store.add(std::string(4094, 'x') + "\r\n");
    driver.emplace(store);
    driver->login();
  }
  static constexpr int kMessages = 640;  // ten batches of 64
  FakeMailStore store;
  std::optional<Pop3Driver> driver;
};

std::string retr(int number) { return "RETR " + std::to_string(number) + "\r\n"; }

TEST_F(SessionReadAheadTest, OneByOne) {
  for (int i = 1; i <= kMessages; ++i) driver->ask(retr(i));
  EXPECT_EQ(store.bodies_requests, 10u);
  EXPECT_LE(store.largest_batch_octets, sidecars::kReadBatchOctets);
}

TEST_F(SessionReadAheadTest, RetrieveAndDelete) {
  for (int i = 1; i <= kMessages; ++i) driver->ask(retr(i) + "DELE " + std::to_string(i) + "\r\n");
  EXPECT_EQ(store.bodies_requests, 10u);
}

TEST_F(SessionReadAheadTest, NewestFirst) {
  for (int i = kMessages; i >= 1; --i) driver->ask(retr(i));
  EXPECT_EQ(store.bodies_requests, 11u);  // the first one shows no direction yet
}

TEST_F(SessionReadAheadTest, PipelinedInAnyOrder) {
  std::string commands;
  for (int i = 0; i < kMessages; ++i) commands += retr(1 + i * 7 % kMessages);
  driver->feed(commands);
  EXPECT_EQ(store.bodies_requests, 10u);
}

TEST_F(SessionReadAheadTest, HeadersOfAll) {
  for (int i = 1; i <= kMessages; ++i) driver->ask("TOP " + std::to_string(i) + " 0\r\n");
  EXPECT_EQ(store.bodies_requests, 10u);
}

TEST_F(SessionReadAheadTest, NoGuessForASingleMessage) {
  driver->ask(retr(300));
  EXPECT_EQ(store.largest_batch_octets, 4096u);
}

TEST_F(SessionReadAheadTest, SurvivesARecheck) {
  driver->mailbox_changed();
  driver->feed(retr(9) + retr(70) + retr(8) + "NOOP\r\n");
  EXPECT_EQ(store.bodies_requests, 1u);
  EXPECT_EQ(store.snapshot_requests, 2u);
}

TEST_F(SessionReadAheadTest, AFailureAheadOfTimeIsTriedAgain) {
  driver->auto_reply = false;
  driver->feed(retr(1));
  store.bodies.erase(store.entries[1].body);
  driver->reply();
  store.bodies.emplace(store.entries[1].body, std::string(4096, 'y'));
  driver->auto_reply = true;
  EXPECT_EQ(driver->ask(retr(2)).substr(0, 20), "+OK 4096 octets\r\nyyy");
}

}  // namespace
}  // namespace postern::pop3::test

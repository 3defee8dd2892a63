// RETR and TOP: which octets are sent, how much is held, what happens when a message cannot be had.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "tests/unit/sidecars/pop3/pop3_client.hpp"
#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace postern::pop3::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct TransferTest : testing::Test {
  void open() {
    driver.emplace(store);
    driver->login();
  }
  std::string ask(std::string_view command) { return driver->ask(std::string(command) + "\r\n"); }
  FakeMailStore store;
  std::optional<Pop3Driver> driver;
};

TEST_F(TransferTest, RetrSendsTheStoredOctets) {  // POP-21
  store.add("Subject: t\r\n\r\n.dot\r\n..\r\nend\r\n");
  open();
  EXPECT_EQ(ask("RETR 1"), "+OK 29 octets\r\nSubject: t\r\n\r\n..dot\r\n...\r\nend\r\n.\r\n");
}

TEST_F(TransferTest, SizesAreTrueForEveryKindOfMessage) {  // POP-04
  const std::vector<std::string> bodies = {"",
                                           "\r\n",
                                           "a",
                                           "a\n",
                                           "a\r",
                                           ".",
                                           "..\r\n",
                                           "\n.\n",
                                           "\r\n.\r\n",
                                           "a\r\n.\r\nb\r\n",
                                           "bare\nlf\n.\nlines\n",
                                           "bare\rcr\r.\r",
                                           std::string("nul\0\r\n.\0\r\n", 11),
                                           "caf\xc3\xa9 \xff\xfe\r\n",
                                           std::string(300'000, '.'),
                                           std::string(70'000, '\n'),
                                           "no end\r\n.",
                                           "....\r\n",
                                           "\r\r\n"};
  for (const auto& body : bodies) store.add(body);
  open();
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    const std::string size = std::to_string(bodies[i].size());
    EXPECT_EQ(ask("LIST " + number), "+OK " + number + " " + size + "\r\n");
    const auto [status, framed] = split_status(ask("RETR " + number));
    EXPECT_EQ(status, "+OK " + size + " octets");
    EXPECT_EQ(message_in(framed), with_final_crlf(bodies[i])) << i;
    total += bodies[i].size();
  }
  EXPECT_EQ(ask("STAT"),
            "+OK " + std::to_string(bodies.size()) + " " + std::to_string(total) + "\r\n");
}

TEST_F(TransferTest, SizesAreTrueForRandomMessages) {  // POP-04, property
  std::mt19937 random(7);
  const std::string alphabet("..\r\n\n.\r\nab\0\xff", 13);
  std::vector<std::string> bodies;
  for (int i = 0; i < 300; ++i) {
    std::string body;
    const std::size_t length = i % 30 == 0 ? 300'000 + random() % 300'000 : random() % 5000;
    for (std::size_t n = 0; n < length; ++n) body += alphabet[random() % alphabet.size()];
    if (i % 2 == 0) body += "\r\n";  // as SMTP stores them
    store.add(body);
    bodies.push_back(std::move(body));
  }
  open();
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    const auto [status, framed] = split_status(ask("RETR " + std::to_string(i + 1)));
    ASSERT_EQ(status, "+OK " + std::to_string(bodies[i].size()) + " octets");
    const std::string seen = message_in(framed);
    ASSERT_EQ(seen, with_final_crlf(bodies[i]));
    if (bodies[i].ends_with("\r\n")) {
      ASSERT_EQ(seen.size(), bodies[i].size());
    }
  }
}

TEST_F(TransferTest, TopSendsHeaderAndLines) {
  store.add("A: 1\r\nB: 2\r\n\r\n.one\r\ntwo\r\nthree\r\n");
  open();
  const std::string head = "+OK top of message follows\r\nA: 1\r\nB: 2\r\n\r\n";
  EXPECT_EQ(ask("TOP 1 0"), head + ".\r\n");
  EXPECT_EQ(ask("TOP 1 1"), head + "..one\r\n.\r\n");
  EXPECT_EQ(ask("TOP 1 2"), head + "..one\r\ntwo\r\n.\r\n");
  for (const char* lines : {"3", "4", "99999999999999999999"})
    EXPECT_EQ(ask(std::string("TOP 1 ") + lines), head + "..one\r\ntwo\r\nthree\r\n.\r\n");
}

TEST_F(TransferTest, TopReadsNoMoreThanItNeeds) {
  std::string body = "Subject: big\r\n\r\n";
  while (body.size() < 2'000'000) body += "a line of text that is about as long as lines are\r\n";
  store.add(body);
  open();
  EXPECT_THAT(ask("TOP 1 5"), StartsWith("+OK"));
  EXPECT_EQ(store.bodies_requests, 1u);
  EXPECT_LE(store.largest_batch_octets, kTopFirstReadOctets + 5 * kTopOctetsPerLine);
  const std::string long_top = ask("TOP 1 9000");
  EXPECT_EQ(split_status(long_top).second, body.substr(0, 16 + 9000 * 51) + ".\r\n");
}

TEST_F(TransferTest, TopOfAHeaderLongerThanTheFirstRead) {
  std::string header;
  while (header.size() < 3 * kTopFirstReadOctets) header += "X-Field: value value value\r\n";
  store.add(header + "\r\nbody 1\r\nbody 2\r\n");
  open();
  EXPECT_EQ(split_status(ask("TOP 1 1")).second, header + "\r\nbody 1\r\n.\r\n");
}

TEST_F(TransferTest, RemovedBodyIsAnError) {  // POP-03
  store.add("one\r\n");
  store.add("two\r\n");
  open();
  store.expunge(2, true);
  EXPECT_EQ(ask("RETR 2"), "-ERR message 2 was removed by another session\r\n");
  EXPECT_EQ(ask("TOP 2 0"), "-ERR message 2 was removed by another session\r\n");
  EXPECT_THAT(ask("RETR 1"), StartsWith("+OK"));
  EXPECT_EQ(ask("LIST 2"), "+OK 2 5\r\n");
}

TEST_F(TransferTest, RemovedMessageIsAnErrorWhileItsOctetsStillExist) {  // POP-03
  for (int i = 0; i < 4; ++i) store.add("body\r\n");
  open();
  EXPECT_THAT(ask("RETR 1"), StartsWith("+OK"));  // 2, 3 and 4 are read ahead
  store.expunge(3);
  driver->mailbox_changed();
  EXPECT_THAT(ask("RETR 2"), StartsWith("+OK"));
  EXPECT_EQ(ask("RETR 3"), "-ERR message 3 was removed by another session\r\n");
  EXPECT_EQ(ask("TOP 3 0"), "-ERR message 3 was removed by another session\r\n");
  EXPECT_THAT(ask("RETR 4"), StartsWith("+OK"));
  EXPECT_EQ(store.snapshot_requests, 2u);  // at login, and once for the change
}

TEST_F(TransferTest, ChangesDuringTheRecheckAreNotLost) {  // POP-03
  store.add("one\r\n");
  store.add("two\r\n");
  open();
  driver->mailbox_changed();
  driver->auto_reply = false;
  driver->feed("RETR 1\r\n");
  driver->mailbox_changed();  // while the snapshot is on its way
  driver->auto_reply = true;
  driver->reply();
  store.expunge(2);
  EXPECT_EQ(ask("RETR 2"), "-ERR message 2 was removed by another session\r\n");
}

TEST_F(TransferTest, StoreErrorsBeforeTheFirstOctet) {  // POP-08
  store.add("one\r\n");
  open();
  store.body_error = ErrorCode::unavailable;
  EXPECT_EQ(ask("RETR 1"), "-ERR [SYS/TEMP] message 1 cannot be read now\r\n");
  store.body_error = ErrorCode::corrupted;
  EXPECT_EQ(ask("RETR 1"), "-ERR [SYS/PERM] message 1 is damaged\r\n");
  store.body_error.reset();
  store.snapshot_error = ErrorCode::io;
  driver->mailbox_changed();
  EXPECT_EQ(ask("RETR 1"), "-ERR [SYS/TEMP] message 1 cannot be read now\r\n");
  store.snapshot_error.reset();
  EXPECT_EQ(ask("RETR 1"), "+OK 5 octets\r\none\r\n.\r\n");
}

TEST_F(TransferTest, ABodyOfAnotherSizeIsNotServed) {
  store.add("one\r\n");
  store.add(std::string(300'000, 'x'));
  store.entries[0].size_octets = 6;
  store.entries[1].size_octets = 300'001;
  open();
  EXPECT_EQ(ask("RETR 1"), "-ERR [SYS/PERM] message 1 is damaged\r\n");
  ask("RETR 2");  // found out in the second batch
  EXPECT_TRUE(driver->closed);
}

TEST_F(TransferTest, FailureInTheMiddleClosesWithoutTerminator) {
  store.add(std::string(1'000'000, 'x'));
  open();
  driver->auto_reply = false;
  driver->feed("RETR 1\r\nNOOP\r\n");
  driver->reply();
  store.body_error = ErrorCode::io;
  driver->reply();
  EXPECT_TRUE(driver->closed);
  const std::string output = driver->take_output();
  EXPECT_THAT(output, HasSubstr("+OK 1000000 octets\r\n"));
  EXPECT_EQ(output.find("\r\n.\r\n"), std::string::npos);
  ASSERT_EQ(driver->observer.ends.size(), 1u);
  EXPECT_EQ(driver->observer.ends[0].reason, EndReason::body_unreadable);
  EXPECT_EQ(driver->observer.ends[0].retrieved_count, 0u);
}

TEST_F(TransferTest, FiftyMebibytesToASlowReaderCostAFewBuffers) {
  constexpr std::size_t kSize = 50u << 20;
  std::string body;
  body.reserve(kSize);
  std::mt19937 random(3);
  while (body.size() < kSize - 80)
    body += (random() % 8 == 0 ? "." : "") + std::string(1 + random() % 76, 'm') + "\r\n";
  store.add(body);
  open();
  driver->auto_sent = false;
  driver->take_output();
  driver->feed("RETR 1\r\nNOOP\r\n");
  std::string output;
  std::uint64_t most_held = 0;
  int turns = 0;
  while (driver->kept_octets() > 0 && ++turns < 100'000) {
    most_held = std::max(most_held, driver->session().held_octets());
    output += driver->take_output();
    driver->output_sent();
  }
  output += driver->take_output();
  // Output up to the mark plus one stuffed piece; one batch read and waiting.
  EXPECT_LE(driver->largest_output_octets, kOutputHighWaterOctets + 2 * kProducePieceOctets);
  EXPECT_LE(most_held, sidecars::kReadBatchOctets);
  EXPECT_LE(store.largest_batch_octets, sidecars::kReadBatchOctets);
  ASSERT_TRUE(output.ends_with(".\r\n+OK\r\n"));
  output.resize(output.size() - 5);
  EXPECT_TRUE(message_in(split_status(output).second) == body);
}

TEST_F(TransferTest, AStalledReaderStopsEverything) {
  for (int i = 0; i < 100; ++i) store.add(std::string(100'000, 'y') + "\r\n");
  open();
  driver->auto_sent = false;
  std::string commands;
  for (int i = 1; i <= 100; ++i) commands += "RETR " + std::to_string(i) + "\r\n";
  driver->feed(commands);
  const auto requests_before = store.requests;
  EXPECT_LE(driver->output().size(), kOutputHighWaterOctets + 2 * kProducePieceOctets);
  EXPECT_LE(store.bodies_requests, 4u);
  driver->feed("NOOP\r\n");
  EXPECT_EQ(store.requests, requests_before);
}

TEST_F(TransferTest, SummaryCountsWhatWasRetrieved) {
  store.add("12345\r\n");
  store.add("1\r\n");
  open();
  ask("RETR 1");
  ask("RETR 2");
  ask("TOP 1 0");
  ask("RETR 9");
  ask("QUIT");
  ASSERT_EQ(driver->observer.ends.size(), 1u);
  const SessionSummary& summary = driver->observer.ends[0];
  EXPECT_EQ(summary.reason, EndReason::quit);
  EXPECT_EQ(summary.account, "anna@example.org");
  EXPECT_EQ(summary.retrieved_count, 2u);
  EXPECT_EQ(summary.retrieved_octets, 10u);
  EXPECT_EQ(summary.top_count, 1u);
  EXPECT_EQ(summary.deleted_count, 0u);
}

}  // namespace
}  // namespace postern::pop3::test

// Large mailboxes and large bodies: how much is held, and what happens when a body fails.
#include <chrono>
#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecars/imap/limits.hpp"
#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

namespace postern::imap::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint64_t kLarge = 50ull << 20;

TEST(ImapStreamingTest, FiftyMebibytesInBoundedPieces) {
  FakeMailStore store;
  store.append_large(store.inbox, "Subject: large\r\n\r\n", kLarge);
  SessionDriver driver(store);
  driver.log_in();
  driver.keep_transcript = false;
  driver.octets_out = 0;
  driver.send("a FETCH 1 (BODY.PEEK[])\r\n");
  EXPECT_EQ(driver.octets_out,
            kLarge + std::string_view("* 1 FETCH (BODY[] {52428800}\r\n)\r\n").size() +
                std::string_view("a OK FETCH completed\r\n").size());
  EXPECT_LE(driver.output_max, kOutputHighOctets + 64);
  EXPECT_LE(store.octets_read_at_once_max, sidecars::kReadBatchOctets);
  EXPECT_LE(store.octets_read, kLarge + sidecars::kReadBatchOctets);
}

TEST(ImapStreamingTest, ASlowReaderHoldsTwoPieces) {
  FakeMailStore store;
  store.append_large(store.inbox, "Subject: large\r\n\r\n", kLarge);
  SessionDriver driver(store);
  driver.log_in();
  driver.hold_output(true);
  const std::uint64_t before = store.octets_read;
  driver.send("a FETCH 1 (BODY.PEEK[])\r\n");
  EXPECT_LE(driver.output_waiting(), kOutputHighOctets);
  EXPECT_LE(store.octets_read - before, 2 * sidecars::kReadBatchOctets);
}

TEST(ImapStreamingTest, PartsOfALargeMessageAreFoundOnceAndThenReadAlone) {
  const std::string beginning =
      "Subject: large\r\nContent-Type: multipart/mixed; "
      "boundary=b\r\n\r\n--b\r\n\r\nshort\r\n--b\r\n"
      "Content-Type: application/x-large\r\n\r\n";
  FakeMailStore store;
  store.append_large(store.inbox, beginning, kLarge);
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_THAT(driver.talk("a FETCH 1 (BODYSTRUCTURE)\r\n"), HasSubstr("\"x-large\""));
  EXPECT_LE(driver.output_max, kOutputHighOctets + 64);
  const std::uint64_t before = store.octets_read;
  EXPECT_EQ(driver.talk("b FETCH 1 (BODY.PEEK[1])\r\n"),
            "* 1 FETCH (BODY[1] {5}\r\nshort)\r\nb OK FETCH completed\r\n");
  EXPECT_LE(store.octets_read - before, 5u);
  // A client that takes the attachment in pieces costs the pieces.
  for (int piece = 0; piece < 20; ++piece) {
    const std::string answer =
        driver.talk("c FETCH 1 (BODY.PEEK[2]<" + std::to_string(piece * 100000) + ".100000>)\r\n");
    EXPECT_THAT(answer, StartsWith("* 1 FETCH (BODY[2]<" + std::to_string(piece * 100000) +
                                   "> {100000}\r\n"));
  }
  EXPECT_LE(store.octets_read - before, 20 * 100000 + 5u);
}

TEST(ImapStreamingTest, AFailureInALiteralClosesTheConnection) {
  FakeMailStore store;
  store.append_large(store.inbox, "Subject: large\r\n\r\n", kLarge);
  store.fail_reads_from(10 << 20);
  SessionDriver driver(store);
  driver.log_in();
  const std::string answer = driver.talk("a FETCH 1 (BODY.PEEK[])\r\n");
  EXPECT_TRUE(driver.closed);
  EXPECT_EQ(driver.observer.events.back(), "end store_failure");
  EXPECT_THAT(answer.substr(answer.size() - 200), ::testing::Not(HasSubstr("BYE")));
  EXPECT_LT(answer.size(), (10u << 20) + 100);
}

TEST(ImapStreamingTest, AFailureBeforeTheResponseIsANo) {
  FakeMailStore store;
  store.append_large(store.inbox, "Subject: large\r\n\r\n", kLarge);
  store.append(store.inbox, "small");
  store.fail_reads_from(1 << 20);
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(
      driver.talk("a FETCH 1:2 (FLAGS BODYSTRUCTURE)\r\n"),
      "* 2 FETCH (FLAGS () BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
      "\"7bit\" 0 0 NIL NIL NIL NIL))\r\na NO [SERVERBUG] An internal error happened\r\n");
  EXPECT_FALSE(driver.closed);
}

TEST(ImapStreamingTest, AFailureBetweenItemsIsNil) {
  const std::string beginning =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + std::string(400000, 'x');
  FakeMailStore store;
  store.append_large(store.inbox, beginning + "\r\n--b\r\n\r\n", 2 << 20);
  SessionDriver driver(store);
  driver.log_in();
  driver.talk("a FETCH 1 (BODYSTRUCTURE)\r\n");  // from now on the structure is known
  store.fail_reads_from(600000);
  EXPECT_EQ(driver.talk("b FETCH 1 (BODY.PEEK[1]<0.3> BODY.PEEK[2]<300000.5> UID)\r\n"),
            "* 1 FETCH (BODY[1]<0> {3}\r\nxxx BODY[2]<300000> NIL UID 1)\r\n"
            "b NO [SERVERBUG] An internal error happened\r\n");
}

TEST(ImapStreamingTest, AManyMessageFetchIsCheapAndBounded) {
  FakeMailStore store;
  constexpr int kMessages = 10000;
  for (int index = 0; index < kMessages; ++index)
    store.append_large(store.inbox, "x", 1000 + index);
  SessionDriver driver(store);
  driver.log_in();
  driver.octets_out = 0;
  const auto begin = std::chrono::steady_clock::now();
  constexpr int kRounds = 20;
  driver.keep_transcript = false;
  for (int round = 0; round < kRounds; ++round) driver.send("a FETCH 1:* (FLAGS)\r\n");
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  EXPECT_GT(driver.octets_out, kRounds * kMessages * 20u);
  EXPECT_LE(driver.output_max, kOutputHighOctets + 256);
  std::printf("FETCH of FLAGS: %.0f ns a message\n", took.count() / (kRounds * kMessages));
}

TEST(ImapStreamingTest, SearchOfAManyMessageMailboxIsStreamed) {
  FakeMailStore store;
  for (int index = 0; index < 100000; ++index) store.append_large(store.inbox, "x", 1000);
  SessionDriver driver(store);
  driver.log_in();
  const std::string answer = driver.talk("a SEARCH NOT DELETED LARGER 1 UNSEEN\r\n");
  EXPECT_THAT(answer, StartsWith("* SEARCH 1 2 3 "));
  EXPECT_THAT(answer, HasSubstr(" 100000\r\na OK SEARCH completed\r\n"));
  EXPECT_LE(driver.output_max, kOutputHighOctets + 64);
  // More steps than one turn may take: the session asks to be called again.
  std::string keys = "b SEARCH";
  for (int key = 0; key < 100; ++key) keys += " SEEN";
  EXPECT_EQ(driver.talk(keys + "\r\n"), "* SEARCH");
  driver.advance(std::chrono::milliseconds(0));
  EXPECT_EQ(driver.take(), "\r\nb OK SEARCH completed\r\n");
}

}  // namespace
}  // namespace postern::imap::testing

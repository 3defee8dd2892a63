// Large messages: their chunks go to the store while they arrive.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

const std::string kEnvelope = "MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n";

std::string large_content(std::size_t octets) {
  std::string content = "Subject: large\r\n\r\n";
  int line = 0;
  while (content.size() < octets) content += "line " + std::to_string(++line) + "\r\n";
  return content;
}

TEST(SmtpStreaming, DataIsBoundedInMemoryAndComplete) {
  for (const std::size_t block : {1000UZ, 16'384UZ, 5'000'000UZ}) {
    SmtpDriver driver;
    driver.greet();
    driver.say(kEnvelope + "DATA\r\n");
    const std::string content = large_content(5'000'000);
    const std::string octets = content + ".\r\n";
    for (std::size_t at = 0; at < octets.size(); at += block) {
      driver.feed(std::string_view(octets).substr(at, block));
    }
    EXPECT_EQ(driver.take(), "250 2.6.0 ID1 queued\r\n");
    ASSERT_EQ(driver.stored.size(), 1U);
    EXPECT_EQ(driver.stored[0].content(), content);
    EXPECT_GE(driver.submits, 5);
    EXPECT_LE(driver.buffered_max, kSpillThresholdOctets + store::kBodyChunkOctets);
    EXPECT_EQ(driver.abandons, 0);
  }
}

TEST(SmtpStreaming, BdatIsBoundedInMemoryAndComplete) {
  for (const std::size_t size : {100'000UZ, 1'048'576UZ, 5'000'000UZ}) {
    SmtpDriver driver;
    driver.greet();
    driver.say(kEnvelope);
    const std::string content = large_content(5'000'000);
    std::string octets;
    for (std::size_t at = 0; at < content.size(); at += size) {
      const std::string_view part = std::string_view(content).substr(at, size);
      octets += "BDAT " + std::to_string(part.size()) +
                (at + part.size() == content.size() ? " LAST\r\n" : "\r\n") + std::string(part);
    }
    driver.feed(octets);
    EXPECT_EQ(driver.take().substr(0, 4), "250 ");
    ASSERT_EQ(driver.stored.size(), 1U);
    EXPECT_EQ(driver.stored[0].content(), content);
    EXPECT_LE(driver.buffered_max, kSpillThresholdOctets + store::kBodyChunkOctets);
  }
}

TEST(SmtpStreaming, WithoutMemoryTheRestIsThrownAwayAndTheEndSaysSo) {
  for (const std::string& how :
       {std::string("DATA"), std::string("BDAT"), std::string("spilled")}) {
    SmtpDriver driver;
    driver.greet();
    driver.say(kEnvelope);
    const std::string content = large_content(how == "spilled" ? 1'200'000 : 50'000);
    const std::string half = content.substr(0, content.size() - 1000);
    const std::string rest = content.substr(content.size() - 1000);
    driver.say(how == "BDAT" ? "BDAT " + std::to_string(content.size()) + " LAST\r\n" : "DATA\r\n");
    driver.feed(half);
    driver.memory = false;
    EXPECT_GT(driver.session.conversation().intake.body().buffered(), 0U);
    driver.feed(rest);
    EXPECT_EQ(driver.session.conversation().intake.body().buffered(), 0U) << how;
    if (how != "BDAT") driver.feed(".\r\n");
    EXPECT_EQ(driver.take(), "452 4.3.1 Insufficient system resources, try again later\r\n") << how;
    EXPECT_EQ(driver.abandons, how == "spilled" ? 1 : 0);
    EXPECT_TRUE(driver.stored.empty());
    driver.memory = true;
    driver.say(kEnvelope + "DATA\r\n");
    EXPECT_EQ(codes(driver.say("Subject: x\r\n\r\ny\r\n.\r\n")), "250") << "the session goes on";
  }
}

class SmtpSpilled : public testing::Test {
 protected:
  // In the middle of a message whose first chunks wait for the store.
  void SetUp() override {
    driver_.greet();
    driver_.hold_answers = true;
    driver_.say(kEnvelope + "DATA\r\n");
    driver_.feed(large_content(1'500'000));
    ASSERT_TRUE(driver_.submit_held);
  }
  SmtpDriver driver_;
};

TEST_F(SmtpSpilled, NothingIsReadMeanwhile) {
  EXPECT_GT(driver_.input.size(), 400'000U);
  const std::size_t waiting = driver_.input.size();
  driver_.feed("more\r\n");
  EXPECT_EQ(driver_.input.size(), waiting + 6);
  driver_.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(driver_.input, "");
}

TEST_F(SmtpSpilled, DisconnectAbandons) {
  driver_.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(driver_.abandons, 0);
  driver_.end_of_input();
  EXPECT_EQ(driver_.abandons, 1);
  EXPECT_TRUE(driver_.closed());
  EXPECT_TRUE(driver_.stored.empty());
}

TEST_F(SmtpSpilled, DisconnectDuringTheWriteAbandonsAfterIt) {
  driver_.end_of_input();
  EXPECT_FALSE(driver_.closed());
  driver_.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(driver_.abandons, 1);
  EXPECT_TRUE(driver_.closed());
}

TEST_F(SmtpSpilled, FailureOfALeadingSegment) {
  driver_.answer_submit(store::SpoolOutcome::failed);
  driver_.feed(large_content(3'000'000));
  EXPECT_FALSE(driver_.submit_held) << "a refused message is not submitted";
  EXPECT_EQ(driver_.say(".\r\nNOOP\r\n"),
            "451 4.3.0 Local error in processing, try again later\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(driver_.abandons, 1);
}

TEST_F(SmtpSpilled, BusyStoreAtTheFirstSegmentLeavesNothingToAbandon) {
  driver_.answer_submit(store::SpoolOutcome::store_busy);
  EXPECT_EQ(codes(driver_.say(".\r\nNOOP\r\n")), "452 250");
  EXPECT_EQ(driver_.abandons, 0);
}

TEST_F(SmtpSpilled, BareNewlineLaterAbandons) {
  driver_.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(codes(driver_.say("bad\n\r\n.\r\nNOOP\r\n")), "550 250");
  EXPECT_EQ(driver_.abandons, 1);
  driver_.hold_answers = false;
  EXPECT_EQ(codes(driver_.say(kEnvelope + "DATA\r\nx\r\n.\r\n")), "250 250 354 250");
}

TEST_F(SmtpSpilled, FailureOfTheLastSegmentAbandons) {
  driver_.answer_submit(store::SpoolOutcome::durable);
  driver_.say(".\r\n");
  driver_.answer_submit(store::SpoolOutcome::no_space);
  EXPECT_EQ(codes(driver_.take()), "452");
  EXPECT_EQ(driver_.abandons, 1);
  EXPECT_TRUE(driver_.stored.empty());
}

TEST_F(SmtpSpilled, TimeoutDuringTheWriteWaitsForIt) {
  driver_.pass(std::chrono::hours(1));
  EXPECT_FALSE(driver_.closed());
  EXPECT_EQ(driver_.take(), "");
  driver_.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(driver_.take().substr(0, 10), "421 4.4.2 ");
  EXPECT_TRUE(driver_.closed());
  EXPECT_EQ(driver_.abandons, 1);
}

TEST(SmtpStreamingReset, RsetBetweenChunksAbandonsAndGoesOn) {
  SmtpDriver driver;
  driver.greet();
  const std::string content = large_content(2'000'000);
  EXPECT_EQ(codes(driver.say(kEnvelope + "BDAT " + std::to_string(content.size()) + "\r\n" +
                             content + "RSET\r\n" + kEnvelope + "BDAT 3 LAST\r\nx\r\n")),
            "250 250 250 250 250 250 250");
  EXPECT_EQ(driver.abandons, 1);
  ASSERT_EQ(driver.stored.size(), 1U);
  EXPECT_EQ(driver.stored[0].content(), "x\r\n");
}

TEST(SmtpStreamingReset, SizeLimitAfterSpilling) {
  auto profile = make_profile();
  profile->message_octets_max = 3'000'000;
  SmtpDriver driver(profile);
  driver.greet();
  driver.say(kEnvelope + "DATA\r\n");
  EXPECT_EQ(codes(driver.say(large_content(6'000'000) + ".\r\n")), "552");
  EXPECT_EQ(driver.abandons, 1);
  EXPECT_TRUE(driver.stored.empty());
}

}  // namespace
}  // namespace postern::smtp::test

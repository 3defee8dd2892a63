// Clients that talk too early, send a message too slowly, or run too far ahead of our replies.
#include <gtest/gtest.h>

#include "gateway/duplicate_table.hpp"
#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(SmtpEarlyTalker, IsRefusedInPlaceOfTheGreeting) {
  auto profile = make_profile();
  profile->greeting_delay = seconds(3);
  SmtpDriver driver(profile);
  driver.open();
  EXPECT_EQ(driver.take(), "");
  driver.pass(seconds(2));
  EXPECT_EQ(driver.say("E").substr(0, 10), "554 5.5.1 ");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::early_talker);
}

TEST(SmtpEarlyTalker, WhoWaitsIsGreeted) {
  auto profile = make_profile();
  profile->greeting_delay = seconds(3);
  SmtpDriver driver(profile);
  driver.open();
  driver.pass(milliseconds(2999));
  EXPECT_EQ(driver.take(), "");
  driver.pass(milliseconds(1));
  EXPECT_EQ(driver.take().substr(0, 4), "220 ");
  EXPECT_EQ(driver.say("NOOP\r\n").substr(0, 4), "250 ");
}

TEST(SmtpEarlyTalker, TrustedClientsAreGreetedAtOnceAndTarpitsDoNotRefuse) {
  auto profile = make_profile();
  profile->greeting_delay = seconds(3);
  PeerFacts peer = SmtpDriver::stranger();
  peer.trusted = true;
  SmtpDriver trusted(profile, nullptr, peer);
  trusted.open();
  EXPECT_EQ(trusted.take().substr(0, 4), "220 ");

  SmtpDriver held;
  held.greet_delay = seconds(5);
  held.open();
  EXPECT_EQ(held.say("NOOP\r\n"), "") << "waits, and is not refused";
  held.pass(seconds(5));
  EXPECT_NE(held.take().find("250 2.0.0 OK"), std::string::npos);
}

std::shared_ptr<SmtpProfile> paced() {
  auto profile = make_profile();
  profile->data_octets_per_second_min = 10;
  profile->data_rate_grace = seconds(10);
  profile->inactivity_timeout = {};
  profile->connection_timeout = {};
  return profile;
}

void begin_message(SmtpDriver& driver) {
  driver.greet();
  driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n");
}

TEST(SmtpPace, AMessageThatComesTooSlowlyEndsTheSession) {
  SmtpDriver driver(paced());
  begin_message(driver);
  driver.say("DATA\r\n");
  driver.feed(std::string(97, 'x') + "\r\n");  // 99 octets: one too few
  driver.pass(milliseconds(9999));
  EXPECT_EQ(driver.take(), "");
  driver.pass(milliseconds(1));
  EXPECT_EQ(driver.take().substr(0, 10), "421 4.4.2 ");
  EXPECT_TRUE(driver.closed());
  EXPECT_EQ(driver.end_reasons.at(0), EndReason::slow_data);
  EXPECT_TRUE(driver.stored.empty());
}

TEST(SmtpPace, EnoughIsEnoughAndEachGraceTimeCountsAnew) {
  SmtpDriver driver(paced());
  begin_message(driver);
  driver.say("DATA\r\n");
  for (int i = 0; i < 20; ++i) {
    driver.feed(std::string(98, 'x') + "\r\n");  // exactly 100 octets
    driver.pass(seconds(10));
    ASSERT_FALSE(driver.closed()) << i;
  }
  driver.feed(std::string(5000, 'x') + "\r\n");
  driver.pass(seconds(10));
  EXPECT_FALSE(driver.closed());
  driver.pass(seconds(10));
  EXPECT_TRUE(driver.closed()) << "what came before does not excuse silence";
}

TEST(SmtpPace, ChunksAreOneMessage) {
  SmtpDriver driver(paced());
  begin_message(driver);
  for (int i = 0; i < 3; ++i) {
    driver.say("BDAT 10\r\n01234567\r\n");
    driver.pass(seconds(3));
    ASSERT_FALSE(driver.closed());
  }
  driver.say("BDAT 10\r\n01234567\r\n");
  driver.pass(seconds(1));
  EXPECT_TRUE(driver.closed()) << "40 octets in ten seconds, however they were cut";
}

TEST(SmtpPace, ARefusedChunkDoesNotShortenTheNextMessagesTime) {
  SmtpDriver driver(paced());
  begin_message(driver);
  driver.say("RSET\r\nBDAT 2\r\n\r\n");  // no sender
  driver.pass(seconds(9));
  driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n");
  driver.pass(seconds(9));
  EXPECT_FALSE(driver.closed());
  driver.pass(seconds(1));
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpPace, OnlyMessagesHaveAPace) {
  SmtpDriver driver(paced());
  begin_message(driver);
  driver.say("DATA\r\n");
  EXPECT_EQ(driver.say("x\r\n.\r\n").substr(0, 4), "250 ");
  driver.pass(seconds(1000));
  EXPECT_FALSE(driver.closed());
  driver.say("BDAT 2\r\n\r\n");  // refused: no sender
  driver.pass(seconds(1000));
  EXPECT_FALSE(driver.closed());
}

// It is all here, and another session is storing the same one: its client can send nothing more.
TEST(SmtpPace, AMessageThatWaitsForItsDoubleIsNotSlow) {
  gateway::DuplicateTable table(100, 1);
  auto profile = paced();
  profile->data_rate_grace = seconds(1);
  profile->rules.duplicate_window = std::chrono::minutes(15);
  SmtpDriver first(profile, &table);
  SmtpDriver second(profile, &table);
  for (SmtpDriver* driver : {&first, &second}) {
    driver->hold_answers = true;
    begin_message(*driver);
    EXPECT_EQ(driver->say("BDAT 19 LAST\r\nMessage-ID: <1@x>\r\n"), "");
  }
  EXPECT_EQ(second.session.conversation().wait, Wait::duplicate);
  second.pass(seconds(10));
  EXPECT_FALSE(second.closed()) << second.take();
  first.answer_submit(store::SpoolOutcome::durable);
  second.pass(seconds(1));
  EXPECT_EQ(codes(second.take()), "250");
}

TEST(SmtpPipeline, CommandsWaitUntilRepliesWereSent) {
  auto profile = make_profile();
  profile->pipeline_commands_max = 3;
  SmtpDriver driver(profile);
  driver.greet();
  driver.session.on_output_sent(driver.now);
  EXPECT_EQ(driver.session.on_input("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n", driver.now), 18U);
  EXPECT_EQ(driver.session.on_input("NOOP\r\n", driver.now), 0U);
  driver.session.on_output_sent(driver.now);
  EXPECT_EQ(driver.session.on_input("NOOP\r\n", driver.now), 6U);
}

TEST(SmtpPipeline, AMessagesOctetsNeverWait) {
  auto profile = make_profile();
  profile->pipeline_commands_max = 1;
  SmtpDriver driver(profile);
  driver.open();
  const auto one = [&driver](std::string_view octets) {
    driver.session.on_output_sent(driver.now);
    return driver.say(octets).substr(0, 4);
  };
  EXPECT_EQ(one("EHLO client.example\r\n").substr(0, 3), "220");
  EXPECT_EQ(one("MAIL FROM:<a@b.example>\r\n"), "250 ");
  EXPECT_EQ(one("RCPT TO:<alice@example.org>\r\n"), "250 ");
  EXPECT_EQ(one("BDAT 4 LAST\r\nab\r\n"), "250 ");
  ASSERT_EQ(driver.stored.size(), 1U);
}

}  // namespace
}  // namespace postern::smtp::test

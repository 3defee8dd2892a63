// Timers (SMTP-04, SMTP-05), tarpit (SMTP-20), limits that end a session (SMTP-12) and shutdown.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const std::string kEnvelope = "MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n";

std::shared_ptr<SmtpProfile> timed() {
  auto profile = make_profile();
  profile->connection_timeout = minutes(5);
  profile->inactivity_timeout = minutes(1);
  return profile;
}

TEST(SmtpTimers, InactivityEndsTheSession) {
  SmtpDriver driver(timed());
  driver.open();
  driver.take();
  driver.pass(seconds(59));
  EXPECT_FALSE(driver.closed());
  driver.pass(seconds(1));
  EXPECT_EQ(driver.take(), "421 4.4.2 Timeout, closing connection\r\n");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::inactivity_timeout);
}

TEST(SmtpTimers, CommandsResetInactivity) {
  SmtpDriver driver(timed());
  driver.greet();
  for (int i = 0; i < 4; ++i) {
    driver.pass(seconds(50));
    EXPECT_EQ(codes(driver.say("NOOP\r\n")), "250");
  }
  driver.pass(seconds(59));
  EXPECT_FALSE(driver.closed());
  driver.pass(seconds(1));
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpTimers, PartsOfACommandDoNotResetInactivity) {
  SmtpDriver driver(timed());
  driver.greet();
  for (int i = 0; i < 5; ++i) {
    driver.pass(seconds(10));
    driver.feed("N");
  }
  driver.pass(seconds(10));
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpTimers, MessageOctetsResetInactivity) {
  SmtpDriver driver(timed());
  driver.greet();
  driver.say(kEnvelope + "DATA\r\n");
  for (int i = 0; i < 4; ++i) {
    driver.pass(seconds(50));
    driver.feed("x");
  }
  EXPECT_FALSE(driver.closed());
  driver.pass(seconds(60));
  EXPECT_TRUE(driver.closed());
  EXPECT_EQ(driver.submits, 0);
}

TEST(SmtpTimers, ConnectionTimerIsNotReset) {
  SmtpDriver driver(timed());
  driver.greet();
  for (int i = 0; i < 9; ++i) {
    driver.pass(seconds(30));
    EXPECT_EQ(codes(driver.say("NOOP\r\n")), "250");
  }
  driver.pass(seconds(30));
  EXPECT_EQ(driver.take().substr(0, 10), "421 4.4.2 ");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::connection_timeout);
}

TEST(SmtpTimers, CommitInFlightIsAnsweredFirst) {
  SmtpDriver driver(timed());
  driver.greet();
  driver.hold_answers = true;
  driver.say(kEnvelope + "DATA\r\nx\r\n.\r\n");
  driver.pass(minutes(10));
  EXPECT_EQ(driver.take(), "");
  EXPECT_FALSE(driver.closed());
  driver.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(codes(driver.take()), "250 421");
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpTimers, OffMeansNoDeadline) {
  auto profile = make_profile();
  profile->connection_timeout = Duration::zero();
  profile->inactivity_timeout = Duration::zero();
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_FALSE(driver.session.output().deadline);
}

TEST(SmtpTimers, BusySessionMovesItsTimerRarely) {
  SmtpDriver driver(timed());
  driver.greet();
  const auto first = driver.session.output().deadline;
  driver.now.mono += seconds(1);
  driver.say("NOOP\r\n");
  EXPECT_EQ(driver.session.output().deadline, first);
}

TEST(SmtpErrors, TooManyEndTheSession) {
  auto profile = make_profile();
  profile->protocol_errors_max = 5;
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(codes(driver.say("FOO\r\nFOO\r\nDATA\r\nMAIL x\r\nEHLO\r\n")), "500 500 503 501 501");
  EXPECT_EQ(driver.say("FOO\r\nFOO\r\n"), "421 4.7.0 Too many errors, closing connection\r\n");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::protocol_errors);
}

TEST(SmtpTarpit, ErrorsAreHeldBack) {
  auto profile = timed();
  profile->tarpit_delay = seconds(5);
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(driver.say("NOOP\r\nFOO\r\nNOOP\r\n"), "250 2.0.0 OK\r\n");
  driver.pass(milliseconds(4999));
  EXPECT_EQ(driver.take(), "");
  driver.pass(milliseconds(1));
  EXPECT_EQ(codes(driver.take()), "500 250");
}

TEST(SmtpTarpit, NotForAuthenticatedClients) {
  auto profile = make_profile();
  profile->tarpit_delay = seconds(5);
  SmtpDriver driver(profile);
  driver.greet();
  driver.say("AUTH PLAIN " + base64(std::string("\0alice@example.org\0secret", 25)) + "\r\n");
  EXPECT_EQ(codes(driver.say("FOO\r\n")), "500");
}

TEST(SmtpTarpit, NotForTrustedClients) {
  auto profile = make_profile();
  profile->tarpit_delay = seconds(5);
  PeerFacts peer = SmtpDriver::stranger();
  peer.trusted = true;
  SmtpDriver driver(profile, nullptr, peer);
  driver.greet();
  EXPECT_EQ(codes(driver.say("FOO\r\n")), "500");
  EXPECT_EQ(driver.errors_held_back, 0);
}

TEST(SmtpTarpit, ThePolicyIsToldOncePerReplyThatWaits) {
  auto profile = make_profile();
  profile->tarpit_delay = seconds(5);
  SmtpDriver driver(profile);
  driver.greet();
  driver.say("NOOP\r\nFOO\r\n");
  EXPECT_EQ(driver.errors_held_back, 1);
  driver.pass(seconds(5));
  driver.say("FOO\r\n");
  EXPECT_EQ(driver.errors_held_back, 2);
}

TEST(SmtpTarpit, HeldReplyThenClose) {
  auto profile = make_profile();
  profile->tarpit_delay = seconds(5);
  profile->protocol_errors_max = 1;
  SmtpDriver driver(profile);
  driver.greet();
  driver.say("FOO\r\nFOO\r\nNOOP\r\n");
  driver.pass(seconds(5));
  EXPECT_EQ(codes(driver.take()), "500");
  EXPECT_FALSE(driver.closed());
  driver.pass(seconds(5));
  EXPECT_EQ(codes(driver.take()), "421");
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpTarpit, ShutdownAndDisconnectDoNotWait) {
  for (const bool shutdown : {true, false}) {
    auto profile = make_profile();
    profile->tarpit_delay = seconds(5);
    SmtpDriver driver(profile);
    driver.greet();
    driver.say("FOO\r\n");
    if (shutdown) {
      driver.shut_down();
      EXPECT_EQ(codes(driver.take()), "500 421");
    } else {
      driver.end_of_input();
    }
    EXPECT_TRUE(driver.closed());
  }
}

TEST(SmtpTarpit, GreetingDelay) {
  SmtpDriver driver;
  driver.greet_delay = seconds(5);
  driver.open();
  EXPECT_EQ(driver.say("EHLO c\r\n"), "");
  driver.pass(seconds(5));
  EXPECT_EQ(codes(driver.take()), "220 250");
}

TEST(SmtpShutdown, IdleSessionsEndAtOnce) {
  SmtpDriver driver;
  driver.greet();
  driver.say(kEnvelope);
  driver.shut_down();
  EXPECT_EQ(driver.take(), "421 4.3.2 Service shutting down, try again later\r\n");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::shutdown);
}

TEST(SmtpShutdown, MessageInFlightIsFinished) {
  SmtpDriver driver;
  driver.greet();
  driver.say(kEnvelope + "DATA\r\n");
  driver.shut_down();
  EXPECT_EQ(driver.take(), "");
  EXPECT_EQ(codes(driver.say("x\r\n.\r\nNOOP\r\n")), "250 421");
  EXPECT_TRUE(driver.closed());
  EXPECT_EQ(driver.stored.size(), 1U);
}

TEST(SmtpShutdown, ChunksAreFinished) {
  SmtpDriver driver;
  driver.greet();
  driver.say(kEnvelope + "BDAT 3\r\na\r\n");
  driver.shut_down();
  EXPECT_EQ(codes(driver.say("BDAT 3\r\na\r\n")), "250");
  EXPECT_EQ(codes(driver.say("BDAT 3 LAST\r\na\r\n")), "250 421");
  EXPECT_EQ(driver.stored.size(), 1U);
}

TEST(SmtpShutdown, AnswersInFlightComeFirst) {
  SmtpDriver driver;
  driver.greet();
  driver.hold_answers = true;
  driver.say(kEnvelope + "DATA\r\nx\r\n.\r\n");
  driver.shut_down();
  EXPECT_FALSE(driver.closed());
  driver.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(codes(driver.take()), "250 421");
}

TEST(SmtpTimers, TimeoutInDataLeavesNothingBehind) {
  SmtpDriver driver(timed());
  driver.greet();
  driver.say(kEnvelope + "DATA\r\nhalf a mess");
  driver.pass(minutes(2));
  EXPECT_EQ(driver.take().substr(0, 10), "421 4.4.2 ");
  EXPECT_TRUE(driver.closed());
  EXPECT_EQ(driver.session.conversation().mode, InputMode::command);
  EXPECT_FALSE(driver.session.conversation().transaction.open);
  EXPECT_EQ(driver.submits, 0);
}

TEST(SmtpSummary, Counts) {
  SmtpDriver driver;
  driver.greet();
  driver.say(kEnvelope + "RCPT TO:<nobody@example.org>\r\nDATA\r\nx\r\n.\r\n" + kEnvelope +
             "DATA\r\nx\ny\r\n.\r\nFOO\r\nQUIT\r\n");
  EXPECT_EQ(driver.last_summary.messages_accepted, 1U);
  EXPECT_EQ(driver.last_summary.messages_refused, 1U);
  EXPECT_EQ(driver.last_summary.recipients_refused, 1U);
  EXPECT_EQ(driver.last_summary.protocol_errors, 1U);
  EXPECT_EQ(driver.last_summary.commands, 10U);
}

}  // namespace
}  // namespace postern::smtp::test

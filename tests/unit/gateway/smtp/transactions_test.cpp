// The limit on MAIL commands of one session: RFC 9422's MAILMAX.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using std::chrono::seconds;

constexpr std::string_view kMail = "MAIL FROM:<a@b.example>\r\n";
constexpr std::string_view kTooMany =
    "421 4.7.0 Too many messages in one session, closing connection\r\n";

std::shared_ptr<SmtpProfile> limited(std::uint32_t transactions) {
  auto profile = make_profile();
  profile->transactions_max = transactions;
  profile->prepare_replies();
  return profile;
}

void expect_over(SmtpDriver& driver) {
  EXPECT_EQ(driver.say(kMail), kTooMany);
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::transactions);
}

TEST(SmtpTransactions, TheLastOneIsServedAndTheNextEndsTheSession) {
  SmtpDriver driver(limited(3));
  driver.greet();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(codes(driver.say(std::string(kMail) + "RCPT TO:<alice@example.org>\r\nDATA\r\n")),
              "250 250 354");
    EXPECT_EQ(codes(driver.say("Subject: x\r\n\r\ny\r\n.\r\n")), "250") << i;
  }
  EXPECT_EQ(codes(driver.say("NOOP\r\nRSET\r\n")), "250 250") << "only MAIL is limited";
  expect_over(driver);
  EXPECT_EQ(driver.stored.size(), 3U);
}

TEST(SmtpTransactions, RefusedOnesCount) {
  // RFC 9422 section 4: "MAIL FROM" whether it succeeds or fails.
  auto profile = limited(7);
  profile->auth_required = true;
  profile->message_octets_max = 100;
  SmtpDriver driver(profile);
  driver.open();
  driver.take();
  EXPECT_EQ(codes(driver.say(kMail)), "503") << "before EHLO";
  driver.say("EHLO c\r\n");
  EXPECT_EQ(codes(driver.say(kMail)), "530") << "before AUTH";
  driver.say("AUTH PLAIN " + base64(std::string("\0alice@example.org\0secret", 25)) + "\r\n");
  EXPECT_EQ(codes(driver.say("MAIL nonsense\r\n")), "501");
  EXPECT_EQ(codes(driver.say("MAIL FROM:<a@b.example> SIZE=101\r\n")), "552");
  EXPECT_EQ(codes(driver.say("mail from:<a@b.example> NO=SUCH\r\n")), "555");
  EXPECT_EQ(codes(driver.say(kMail)), "250");
  EXPECT_EQ(codes(driver.say(kMail)), "503") << "nested";
  expect_over(driver);
}

TEST(SmtpTransactions, OtherCommandsDoNotCount) {
  SmtpDriver driver(limited(1));
  driver.greet();
  driver.say("MAILS FROM:<a@b.example>\r\nEMAIL\r\nRSET\r\nVRFY MAIL\r\nNOOP MAIL FROM:<a@b>\r\n");
  EXPECT_EQ(codes(driver.say(kMail)), "250");
  driver.say("RSET\r\n");
  expect_over(driver);
}

TEST(SmtpTransactions, APipelineEndsExactlyThere) {
  SmtpDriver driver(limited(2));
  driver.greet();
  const std::string one = std::string(kMail) + "RCPT TO:<alice@example.org>\r\nRSET\r\n";
  EXPECT_EQ(codes(driver.say(one + one + one + one)), "250 250 250 250 250 250 421");
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpTransactions, WhatIsPipelinedBehindAMessageComesAfterItsReply) {
  SmtpDriver driver(limited(1));
  driver.greet();
  driver.say(std::string(kMail) + "RCPT TO:<alice@example.org>\r\nDATA\r\n");
  EXPECT_EQ(codes(driver.say("Subject: x\r\n\r\ny\r\n.\r\n" + std::string(kMail))), "250 421");
  EXPECT_EQ(driver.stored.size(), 1U);
}

TEST(SmtpTransactions, AChunkedMessageInProgressIsAbandoned) {
  SmtpDriver driver(limited(1));
  driver.greet();
  driver.say(std::string(kMail) + "RCPT TO:<alice@example.org>\r\nBDAT 5\r\nabc\r\n");
  expect_over(driver);
  EXPECT_TRUE(driver.stored.empty());
}

TEST(SmtpTransactions, TlsAndXclientDoNotBeginTheCountAnew) {
  auto profile = limited(2);
  profile->rules.xclient = true;
  PeerFacts proxy = SmtpDriver::stranger();
  proxy.trusted = true;
  SmtpDriver driver(profile, nullptr, proxy);
  driver.greet();
  EXPECT_EQ(codes(driver.say(std::string(kMail) + "RSET\r\nSTARTTLS\r\n")), "250 250 220");
  driver.tls();
  driver.say("EHLO c\r\n");
  EXPECT_EQ(codes(driver.say(std::string(kMail) + "RSET\r\n")), "250 250");
  EXPECT_EQ(codes(driver.say("XCLIENT ADDR=203.0.113.7\r\nEHLO c\r\n")), "220 250");
  expect_over(driver);
}

TEST(SmtpTransactions, TheReplyIsNotHeldBackAndTheClientNotRemembered) {
  auto profile = limited(1);
  profile->tarpit_delay = seconds(5);
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(codes(driver.say(std::string(kMail) + "RSET\r\n")), "250 250");
  expect_over(driver);
  EXPECT_EQ(driver.errors_held_back, 0);
}

TEST(SmtpTransactions, ZeroIsNoLimit) {
  SmtpDriver driver(limited(0));
  driver.greet();
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(codes(driver.say(std::string(kMail) + "RSET\r\n")), "250 250") << i;
  }
}

TEST(SmtpTransactions, AreNamedByLimits) {
  const auto offered = [](std::uint32_t transactions, std::uint32_t recipients) {
    auto profile = limited(transactions);
    profile->recipients_max = recipients;
    profile->prepare_replies();
    SmtpDriver driver(profile);
    driver.open();
    const std::string reply = driver.say("EHLO c\r\n");
    const std::size_t begin = reply.find("250-LIMITS");
    return begin == reply.npos ? "" : reply.substr(begin, reply.find('\r', begin) - begin);
  };
  EXPECT_EQ(offered(100, 200), "250-LIMITS MAILMAX=100 RCPTMAX=200");
  EXPECT_EQ(offered(7, 0), "250-LIMITS MAILMAX=7");
  EXPECT_EQ(offered(0, 200), "250-LIMITS RCPTMAX=200");
  EXPECT_EQ(offered(0, 0), "");
}

}  // namespace
}  // namespace postern::smtp::test

// Input from people who do not want mail delivered.
#include <gtest/gtest.h>
#include <random>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

TEST(SmtpHostile, EndlessLineIsBounded) {
  SmtpDriver driver;
  driver.greet();
  const std::string block(100'000, 'x');
  for (int i = 0; i < 100; ++i) {
    driver.feed(block);
    ASSERT_EQ(driver.input, "");
    ASSERT_LE(driver.session.conversation().line.capacity(), 2048U);
  }
  EXPECT_EQ(driver.take(), "");
  EXPECT_EQ(driver.say("\r\nNOOP\r\n"), "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
}

TEST(SmtpHostile, LineLimitIsExact) {
  SmtpDriver driver;
  driver.greet();
  EXPECT_EQ(codes(driver.say("NOOP " + std::string(2048 - 7, 'x') + "\r\n")), "250");
  EXPECT_EQ(codes(driver.say("NOOP " + std::string(2048 - 6, 'x') + "\r\n")), "500");
}

TEST(SmtpHostile, ControlOctetsInCommands) {
  SmtpDriver driver;
  driver.greet();
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\n') continue;
    const std::string line = "NOOP " + std::string(1, static_cast<char>(c)) + "x\r\n";
    EXPECT_EQ(driver.say(line), "500 5.5.2 Control character in command\r\n") << c;
  }
  EXPECT_EQ(codes(driver.say("NOOP \x7f\r\n")), "500");
  EXPECT_EQ(codes(driver.say("NOOP \xff\r\n")), "250");
}

TEST(SmtpHostile, BareLfEndsNoCommand) {
  SmtpDriver driver;
  driver.greet();
  EXPECT_EQ(driver.say("NOOP\nNOOP\r\n"),
            "500 5.5.2 Lines must end in <CR><LF>\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(codes(driver.say("\n\n")), "500 500");
  EXPECT_EQ(codes(driver.say("NOOP\r\r\n")), "500");
}

TEST(SmtpHostile, OtherProtocolsAreCutOff) {
  for (const std::string first :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /x HTTP/1.0\r\n\r\nMAIL FROM:<a@b>\r\n",
        "CONNECT mx:25 HTTP/1.1\r\n", "\x16\x03\x01\x02\x05\x01"}) {
    SmtpDriver driver;
    driver.open();
    driver.take();
    EXPECT_EQ(driver.say(first), "421 4.7.0 This is an SMTP server, closing connection\r\n");
    EXPECT_TRUE(driver.closed());
    ASSERT_EQ(driver.end_reasons.size(), 1U);
    EXPECT_EQ(driver.end_reasons[0], EndReason::not_smtp);
  }
}

TEST(SmtpHostile, ManyRecipientsAreBounded) {
  SmtpDriver driver;
  driver.greet();
  driver.say("MAIL FROM:<a@b.example>\r\n");
  std::string flight;
  for (int i = 0; i < 10'000; ++i) flight += "RCPT TO:<alice@example.org>\r\n";
  driver.say(flight);
  EXPECT_EQ(driver.session.conversation().message->envelope.recipients.size(), 200U);
}

TEST(SmtpHostile, GarbageNeverHangsOrCrashes) {
  std::mt19937 random(7);
  const std::string words[] = {"MAIL FROM:<a@b>\r\n",
                               "RCPT TO:<alice@example.org>\r\n",
                               "DATA\r\n",
                               "BDAT 5\r\n",
                               "BDAT 0 LAST\r\n",
                               ".\r\n",
                               "\r\n",
                               "\n",
                               "\r",
                               "AUTH PLAIN\r\n",
                               "AUTH LOGIN\r\n",
                               "RSET\r\n",
                               "EHLO x\r\n",
                               "*\r\n",
                               "<",
                               "\"",
                               "\\"};
  for (int round = 0; round < 200; ++round) {
    SmtpDriver driver;
    driver.open();
    std::string octets;
    for (int i = 0; i < 200; ++i) {
      if (random() % 5 == 0) {
        octets += static_cast<char>(random());
      } else {
        octets += words[random() % std::size(words)];
      }
    }
    driver.feed(octets);
    EXPECT_TRUE(driver.closed() || driver.input.empty());
    driver.end_of_input();
    EXPECT_TRUE(driver.closed());
    EXPECT_EQ(driver.end_reasons.size(), 1U);
  }
}

}  // namespace
}  // namespace postern::smtp::test

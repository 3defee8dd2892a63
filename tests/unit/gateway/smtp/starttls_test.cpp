// STARTTLS (RFC 3207) and implicit TLS (RFC 8314).
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

TEST(SmtpStarttls, ForgetsEverything) {
  SmtpDriver driver;
  driver.greet();
  driver.say("AUTH PLAIN " + base64(std::string("\0alice@example.org\0secret", 25)) + "\r\n");
  driver.say("MAIL FROM:<a@b>\r\nRCPT TO:<x@elsewhere.example>\r\n");
  EXPECT_EQ(driver.say("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
  driver.tls();
  EXPECT_EQ(codes(driver.say("MAIL FROM:<a@b>\r\n")), "503") << "EHLO again";
  EXPECT_EQ(driver.say("STARTTLS\r\n"), "503 5.5.1 Say EHLO first\r\n");
  driver.say("EHLO again\r\n");
  EXPECT_EQ(driver.say("STARTTLS\r\n"), "503 5.5.1 TLS already active\r\n");
  EXPECT_EQ(codes(driver.say("DATA\r\n")), "503") << "no transaction";
  EXPECT_EQ(codes(driver.say("MAIL FROM:<a@b>\r\nRCPT TO:<x@elsewhere.example>\r\n")), "250 550")
      << "not authenticated any more";
  driver.say("RCPT TO:<alice@example.org>\r\nDATA\r\nx\r\n.\r\n");
  EXPECT_NE(driver.stored.at(0).trace().find(
                "from again ([192.0.2.1])\r\n\tby mx.example.org with ESMTPS\r\n"
                "\t(TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\tid ID1\r\n\tfor <alice@example.org>; "),
            std::string::npos)
      << driver.stored.at(0).trace();
}

TEST(SmtpStarttls, DiscardsPipelinedClearText) {
  const std::string flight = "STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@b>\r\n";
  for (std::size_t split = 0; split <= flight.size(); ++split) {
    SmtpDriver driver;
    driver.greet();
    driver.feed(flight.substr(0, split));
    driver.feed(flight.substr(split));
    EXPECT_EQ(driver.take(), "220 2.0.0 Ready to start TLS\r\n") << split;
    EXPECT_EQ(driver.input, "");
    driver.tls();
    EXPECT_EQ(driver.take(), "");
    EXPECT_EQ(codes(driver.say("RCPT TO:<alice@example.org>\r\n")), "503");
  }
}

TEST(SmtpStarttls, NotAvailable) {
  auto profile = make_profile();
  profile->tls_available = false;
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(driver.say("STARTTLS\r\nNOOP\r\n"), "454 4.7.0 TLS not available\r\n250 2.0.0 OK\r\n");
  EXPECT_FALSE(driver.session.output().start_tls);
}

TEST(SmtpStarttls, SilentDuringTheHandshake) {
  SmtpDriver driver;
  driver.greet();
  driver.say("STARTTLS\r\n");
  driver.pass(std::chrono::hours(1));
  EXPECT_EQ(driver.take(), "") << "no clear text inside a handshake";
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpStarttls, ShutdownDuringTheHandshakeWaitsForIt) {
  SmtpDriver driver;
  driver.greet();
  driver.say("STARTTLS\r\n");
  driver.shut_down();
  EXPECT_EQ(driver.take(), "");
  driver.tls();
  EXPECT_EQ(driver.take().substr(0, 10), "421 4.3.2 ");
  EXPECT_TRUE(driver.closed());
}

TEST(SmtpImplicitTls, TlsComesBeforeTheGreeting) {
  auto profile = make_profile();
  profile->tls = config::TlsMode::implicit;
  profile->auth_plaintext = false;
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.session.on_tls(
      TlsFacts{.version = "TLSv1.3", .cipher = "X", .server_name = "", .bits = 128}, driver.now);
  EXPECT_EQ(driver.session.output().bytes, "");
  driver.open();
  EXPECT_EQ(codes(driver.take()), "220");
  const std::string reply = driver.say("EHLO c\r\n");
  EXPECT_NE(reply.find("AUTH PLAIN LOGIN"), std::string::npos);
  EXPECT_EQ(reply.find("STARTTLS"), std::string::npos);
}

}  // namespace
}  // namespace postern::smtp::test

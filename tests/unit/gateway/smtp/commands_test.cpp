// Every command in every state.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

TEST(SmtpOpen, Greets) {
  SmtpDriver driver;
  driver.open();
  EXPECT_EQ(driver.take(), "220 mx.example.org ESMTP Postern\r\n");
  EXPECT_FALSE(driver.closed());
}

TEST(SmtpOpen, RefusalsHaveTheirCodes) {
  const std::pair<Refusal, std::string> expected[] = {
      {Refusal::out_of_resources, "452 4.3.1 "},       {Refusal::unavailable, "421 4.4.2 "},
      {Refusal::binding_not_configured, "421 4.3.2 "}, {Refusal::connections, "421 4.3.2 "},
      {Refusal::connections_per_source, "421 4.3.2 "}, {Refusal::address_not_allowed, "550 5.7.1 "},
  };
  for (const auto& [why, start] : expected) {
    SmtpDriver driver;
    driver.session.on_refused(why, driver.now);
    EXPECT_EQ(driver.session.output().bytes.substr(0, start.size()), start);
    EXPECT_TRUE(driver.closed());
    ASSERT_EQ(driver.end_reasons.size(), 1U);
    EXPECT_EQ(driver.end_reasons[0], EndReason::refused);
  }
}

TEST(SmtpHello, EhloListsWhatIsOffered) {
  SmtpDriver driver;
  driver.open();
  driver.take();
  EXPECT_EQ(driver.say("EHLO client.example\r\n"),
            "250-mx.example.org at your service\r\n"
            "250-PIPELINING\r\n"
            "250-SIZE 37748736\r\n"
            "250-8BITMIME\r\n"
            "250-ENHANCEDSTATUSCODES\r\n"
            "250-STARTTLS\r\n"
            "250-AUTH PLAIN LOGIN\r\n"
            "250-CHUNKING\r\n"
            "250-BINARYMIME\r\n"
            "250-LIMITS RCPTMAX=200\r\n"
            "250 SMTPUTF8\r\n");
  EXPECT_EQ(driver.say("helo client\r\n"), "250 mx.example.org at your service\r\n");
}

TEST(SmtpHello, OffersDependOnTheListener) {
  auto profile = make_profile();
  profile->auth_plaintext = false;
  profile->recipients_max = 0;
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.open();
  driver.take();
  std::string reply = driver.say("EHLO c\r\n");
  EXPECT_EQ(reply.find("AUTH"), std::string::npos) << "no password without TLS";
  EXPECT_EQ(reply.find("LIMITS"), std::string::npos);
  driver.say("STARTTLS\r\n");
  driver.tls();
  reply = driver.say("EHLO c\r\n");
  EXPECT_NE(reply.find("250-AUTH PLAIN LOGIN\r\n"), std::string::npos);
  EXPECT_EQ(reply.find("STARTTLS"), std::string::npos);

  profile->tls_available = false;
  profile->prepare_replies();
  SmtpDriver without_certificate(profile);
  without_certificate.open();
  EXPECT_EQ(without_certificate.say("EHLO c\r\n").find("STARTTLS"), std::string::npos);
}

TEST(SmtpHello, ArgumentIsNeededAndChecked) {
  SmtpDriver driver;
  driver.open();
  driver.take();
  EXPECT_EQ(driver.say("EHLO\r\n"), "501 Your domain name is missing\r\n");
  EXPECT_EQ(driver.say("HELO \r\n"), "501 Your domain name is missing\r\n");
  for (const char* bad : {"a(b)", "a b", "a<b>", "[1.2.3]", "[IPv6:::g]", "a;b", "\xc3\xbc"}) {
    EXPECT_EQ(driver.say("EHLO " + std::string(bad) + "\r\n"), "501 That is not a domain name\r\n")
        << bad;
  }
  for (const char* good : {"a", "a_b.local", "[192.0.2.1]", "[IPv6:2001:db8::1]", "10.0.0.1"}) {
    EXPECT_EQ(codes(driver.say("EHLO " + std::string(good) + "\r\n")), "250") << good;
  }
}

TEST(SmtpCommands, NeedEhloFirst) {
  for (const char* command :
       {"MAIL FROM:<a@b>", "RCPT TO:<alice@example.org>", "DATA", "STARTTLS", "AUTH PLAIN"}) {
    SmtpDriver driver;
    driver.open();
    driver.take();
    EXPECT_EQ(driver.say(std::string(command) + "\r\n"), "503 5.5.1 Say EHLO first\r\n") << command;
  }
  SmtpDriver driver;
  driver.open();
  driver.take();
  EXPECT_EQ(codes(driver.say("NOOP\r\nRSET\r\nHELP\r\nQUIT\r\n")), "250 250 214 221");
}

TEST(SmtpCommands, ExtensionsNeedEhloNotHelo) {
  SmtpDriver driver;
  driver.open();
  driver.say("HELO c\r\n");
  EXPECT_EQ(codes(driver.say("STARTTLS\r\nAUTH PLAIN\r\nMAIL FROM:<>\r\n")), "503 503 250");
}

TEST(SmtpCommands, OrderOfATransaction) {
  SmtpDriver driver;
  driver.greet();
  EXPECT_EQ(driver.say("RCPT TO:<alice@example.org>\r\n"), "503 5.5.1 Say MAIL first\r\n");
  EXPECT_EQ(driver.say("DATA\r\n"), "503 5.5.1 Say MAIL first\r\n");
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example>\r\n"), "250 2.1.0 Sender OK\r\n");
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example>\r\n"), "503 5.5.1 Sender already given\r\n");
  EXPECT_EQ(driver.say("DATA\r\n"), "554 5.5.1 No valid recipients\r\n");
  EXPECT_EQ(driver.say("AUTH PLAIN\r\n"), "503 5.5.1 Not during a mail transaction\r\n");
  EXPECT_EQ(driver.say("RCPT TO:<alice@example.org>\r\n"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(driver.say("NOOP x y z\r\n"), "250 2.0.0 OK\r\n");
  EXPECT_EQ(driver.say("VRFY alice\r\n").substr(0, 9), "252 2.5.2");
  EXPECT_EQ(driver.say("DATA\r\n"), "354 End data with <CR><LF>.<CR><LF>\r\n");
  EXPECT_EQ(driver.say("x\r\n.\r\n"), "250 2.6.0 ID1 queued\r\n");
  EXPECT_EQ(driver.say("DATA\r\n"), "503 5.5.1 Say MAIL first\r\n");
  EXPECT_EQ(driver.say("MAIL FROM:<>\r\n"), "250 2.1.0 Sender OK\r\n");
}

TEST(SmtpCommands, EhloHeloAndRsetEndATransaction) {
  for (const char* command : {"EHLO c\r\n", "HELO c\r\n", "RSET\r\n"}) {
    SmtpDriver driver;
    driver.greet();
    driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n");
    EXPECT_EQ(codes(driver.say(command)), "250");
    EXPECT_EQ(driver.say("DATA\r\n"), "503 5.5.1 Say MAIL first\r\n");
    EXPECT_EQ(codes(driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")),
              "250 250 354");
    driver.say("x\r\n.\r\n");
    ASSERT_EQ(driver.stored.size(), 1U);
    ASSERT_EQ(driver.stored[0].envelope.recipients.size(), 1U);
    EXPECT_EQ(driver.stored[0].envelope.recipients[0].address, "bob@example.org");
  }
}

TEST(SmtpCommands, ArgumentsWhereNoneBelong) {
  SmtpDriver driver;
  driver.greet();
  driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n");
  for (const char* command : {"DATA x", "RSET x", "QUIT x", "STARTTLS x"}) {
    EXPECT_EQ(driver.say(std::string(command) + "\r\n"), "501 5.5.4 No parameters allowed\r\n");
  }
  EXPECT_FALSE(driver.closed());
  EXPECT_EQ(codes(driver.say("DATA  \r\n")), "354") << "trailing spaces are tolerated";
}

TEST(SmtpCommands, QuitEndsTheSession) {
  SmtpDriver driver;
  driver.greet();
  EXPECT_EQ(driver.say("QUIT\r\nNOOP\r\n"), "221 2.0.0 Bye\r\n");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::quit);
}

TEST(SmtpCommands, HelpVrfyExpn) {
  SmtpDriver driver;
  driver.greet();
  EXPECT_EQ(codes(driver.say("HELP\r\n")), "214");
  EXPECT_EQ(codes(driver.say("HELP MAIL\r\n")), "214");
  const std::string known = driver.say("VRFY alice@example.org\r\n");
  EXPECT_EQ(known, driver.say("VRFY nobody@example.org\r\n"));
  EXPECT_EQ(known.substr(0, 10), "252 2.5.2 ");
  EXPECT_EQ(driver.say("VRFY\r\n"), "501 5.5.4 Invalid parameters\r\n");
  EXPECT_EQ(driver.say("EXPN staff\r\n"), "502 5.5.1 Command not implemented\r\n");
}

TEST(SmtpCommands, UnknownAndCaseAndBoundaries) {
  SmtpDriver driver;
  driver.greet();
  for (const char* verb : {"", " ", "FOO", "MAILX", "MAI", "DATA.", "ETRN x", "XCLIENT", "TURN",
                           "STARTTLSX", " NOOP", "get x", "SEND FROM:<a@b>"}) {
    EXPECT_EQ(driver.say(std::string(verb) + "\r\n"), "500 5.5.1 Command not recognized\r\n")
        << verb;
  }
  EXPECT_EQ(codes(driver.say("nOoP\r\nnoop\r\nmail from:<a@b>\r\nrcpt tO:<alice@example.org>\r\n")),
            "250 250 250 250");
}

TEST(SmtpCommands, TlsRequiredListenerWantsStarttls) {
  auto profile = make_profile();
  profile->tls = config::TlsMode::required;
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.greet();
  for (const char* command : {"MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "AUTH PLAIN", "RSET",
                              "VRFY a", "EXPN a", "HELP", "HELO c"}) {
    EXPECT_EQ(driver.say(std::string(command) + "\r\n"),
              "530 5.7.0 Must issue a STARTTLS command first\r\n");
  }
  EXPECT_EQ(driver.say("BDAT 6\r\nQUIT\r\nNOOP\r\n"),
            "530 5.7.0 Must issue a STARTTLS command first\r\n250 2.0.0 OK\r\n");
  driver.say("STARTTLS\r\n");
  driver.tls();
  EXPECT_EQ(codes(driver.say("EHLO c\r\nMAIL FROM:<a@b>\r\n")), "250 250");
}

TEST(SmtpCommands, AuthRequiredListenerWantsAuth) {
  auto profile = make_profile();
  profile->auth_required = true;
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(driver.say("MAIL FROM:<a@b>\r\n"), "530 5.7.0 Authentication required\r\n");
  EXPECT_EQ(codes(driver.say("RCPT TO:<a@b>\r\nDATA\r\nBDAT 2 LAST\r\nxxRSET\r\nNOOP\r\n")),
            "530 530 530 250 250");
}

TEST(SmtpReplies, EveryReplyAfterEhloHasAnEnhancedCode) {
  for (int i = 0; i < static_cast<int>(Reply::count_); ++i) {
    const auto reply = static_cast<Reply>(i);
    std::string_view lines = line_of(reply);
    const bool none = reply == Reply::start_data || reply == Reply::no_hello_argument ||
                      reply == Reply::bad_hello_argument;
    while (!lines.empty()) {
      const std::string_view line = lines.substr(0, lines.find("\r\n"));
      lines.remove_prefix(line.size() + 2);
      EXPECT_EQ(line.substr(0, 3), std::to_string(code_of(reply)));
      const bool has_code = line.size() > 9 && line[4] == line[0] && line[5] == '.' &&
                            line.find('.', 6) != std::string_view::npos;
      EXPECT_EQ(has_code, !none) << line;
    }
  }
}

}  // namespace
}  // namespace postern::smtp::test

// MAIL and RCPT: syntax as the client sees it, parameters, and who may send where.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

std::string mail(std::string_view rest) {
  SmtpDriver driver;
  driver.greet();
  return driver.say("MAIL " + std::string(rest) + "\r\n");
}

TEST(SmtpMail, Syntax) {
  for (const char* bad : {"", "FROM", "FROM a@b", "FROM:", "FROM:a@b", "TO:<a@b>"}) {
    EXPECT_EQ(mail(bad).substr(0, 10), "501 5.5.2 ") << bad;
  }
  for (const char* bad : {"FROM:<a>", "FROM:<a@b", "FROM:<a@>", "FROM:<@b>", "FROM:<postmaster>",
                          "FROM:<a b@c>", "FROM:<a@b c>"}) {
    EXPECT_EQ(mail(bad), "501 5.1.7 Bad sender address syntax\r\n") << bad;
  }
  for (const char* good : {"FROM:<>", "FROM:<a@b>", "FROM: <a@b>", "FROM:<@x,@y.z:a@b>",
                           "FROM:<\"a b\"@c>", "FROM:<a@[192.0.2.1]>", "FROM:<a@b> "}) {
    EXPECT_EQ(mail(good), "250 2.1.0 Sender OK\r\n") << good;
  }
}

TEST(SmtpMail, Parameters) {
  const std::pair<const char*, const char*> expected[] = {
      {"SIZE=0", "250 2.1.0"},
      {"SIZE=37748736", "250 2.1.0"},
      {"size=10 body=8bitmime", "250 2.1.0"},
      {"  BODY=7BIT   SMTPUTF8 ", "250 2.1.0"},
      {"SIZE=37748737", "552 5.3.4"},
      {"SIZE=99999999999999999999", "552 5.3.4"},
      {"SIZE=123456789012345678901", "501 5.5.4"},
      {"SIZE=", "501 5.5.4"},
      {"SIZE", "501 5.5.4"},
      {"SIZE=-1", "501 5.5.4"},
      {"SIZE=1 SIZE=1", "501 5.5.4"},
      {"BODY=BINARYMIME", "250 2.1.0"},
      {"BODY", "501 5.5.4"},
      {"BODY=7BIT BODY=7BIT", "501 5.5.4"},
      {"SMTPUTF8=x", "501 5.5.4"},
      {"SMTPUTF8 SMTPUTF8", "501 5.5.4"},
      {"AUTH=<>", "250 2.1.0"},
      {"AUTH=e+3Dmc2@example.com", "250 2.1.0"},
      {"AUTH=a@b AUTH=a@b", "501 5.5.4"},
      {"AUTH=", "501 5.5.4"},
      {"AUTH=nobody", "501 5.5.4"},
      {"AUTH=e+3dx@example.com", "501 5.5.4"},
      {"AUTH=e+3", "501 5.5.4"},
      {"RET=HDRS", "555 5.5.4"},
      {"FOO", "555 5.5.4"},
      {"-FOO", "501 5.5.4"},
      {"FOO=a=b", "501 5.5.4"},
      {"F\xc3\xbc=1", "501 5.5.4"},
  };
  for (const auto& [parameters, start] : expected) {
    EXPECT_EQ(mail("FROM:<a@b> " + std::string(parameters)).substr(0, 9), start) << parameters;
  }
  EXPECT_EQ(mail("FROM:<a@b>SIZE=1").substr(0, 9), "501 5.5.4");
}

TEST(SmtpMail, AuthParameterOnlyWhereAuthIsOffered) {
  auto profile = make_profile();
  profile->auth = false;
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(driver.say("MAIL FROM:<a@b> AUTH=<>\r\n").substr(0, 9), "555 5.5.4");
}

TEST(SmtpMail, RateLimitEndsTheSession) {
  SmtpDriver driver;
  driver.greet();
  driver.admit_messages = false;
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example>\r\n").substr(0, 10), "421 4.4.2 ");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::rate_limited);
}

TEST(SmtpMail, OctetRateIsSaidAtOnceWhenSizeTellsAndElseAtTheEnd) {
  SmtpDriver driver;
  driver.greet();
  driver.octets_left = 100;
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example> SIZE=101\r\n").substr(0, 10), "452 4.7.1 ");
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example> SIZE=100\r\n").substr(0, 4), "250 ");
  driver.say("RCPT TO:<alice@example.org>\r\nDATA\r\n");
  const std::string line = std::string(59, 'x') + "\r\n";  // 61 octets
  EXPECT_EQ(driver.say(line + line + ".\r\n").substr(0, 10), "452 4.7.1 ");
  EXPECT_TRUE(driver.stored.empty());
  driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n");
  EXPECT_EQ(driver.say(line + ".\r\n").substr(0, 4), "250 ");
  EXPECT_EQ(driver.octets_left, 39U) << "what was refused is not counted";
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example> SIZE=40\r\n").substr(0, 4), "452 ");
}

TEST(SmtpMail, OctetRateHoldsForChunksToo) {
  SmtpDriver driver;
  driver.greet();
  driver.octets_left = 10;
  driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n");
  EXPECT_EQ(driver.say("BDAT 12 LAST\r\n0123456789\r\n").substr(0, 10), "452 4.7.1 ");
  driver.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n");
  EXPECT_EQ(driver.say("BDAT 10 LAST\r\n01234567\r\n").substr(0, 4), "250 ");
}

TEST(SmtpMail, RecipientRateRefusesTheRecipientOnly) {
  SmtpDriver driver;
  driver.greet();
  driver.recipients_left = 1;
  driver.say("MAIL FROM:<a@b.example>\r\n");
  EXPECT_EQ(driver.say("RCPT TO:<nobody@example.org>\r\n").substr(0, 4), "550 ");
  EXPECT_EQ(driver.say("RCPT TO:<alice@example.org>\r\n").substr(0, 4), "250 ")
      << "only accepted recipients count";
  EXPECT_EQ(driver.say("RCPT TO:<bob@example.org>\r\n").substr(0, 10), "452 4.7.1 ");
  driver.say("DATA\r\n");
  EXPECT_EQ(driver.say("x\r\n.\r\n").substr(0, 4), "250 ");
}

TEST(SmtpMail, NoRoomIsSaidAtOnceAndTheSessionGoesOn) {
  SmtpDriver driver;
  driver.greet();
  driver.room = false;
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example>\r\n").substr(0, 10), "452 4.3.1 ");
  EXPECT_EQ(driver.events, std::vector<std::string>{"sender a@b.example 452"});
  driver.room = true;
  EXPECT_EQ(driver.say("MAIL FROM:<a@b.example>\r\n"), "250 2.1.0 Sender OK\r\n");
}

TEST(SmtpMail, Utf8NeedsTheExtensionAndMustBeUtf8) {
  EXPECT_EQ(mail("FROM:<j\xc3\xbcrgen@b>").substr(0, 9), "553 5.6.7");
  EXPECT_EQ(mail("FROM:<j\xc3\xbcrgen@b> SMTPUTF8").substr(0, 3), "250");
  EXPECT_EQ(mail("FROM:<a@b\xc3\xbc.example> SMTPUTF8").substr(0, 3), "250");
  EXPECT_EQ(mail("FROM:<j\xfcrgen@b> SMTPUTF8").substr(0, 9), "501 5.1.7");
  EXPECT_EQ(mail("FROM:<j\xc3@b> SMTPUTF8").substr(0, 9), "501 5.1.7");
}

class SmtpRcpt : public testing::Test {
 protected:
  void SetUp() override {
    driver_.greet();
    driver_.say("MAIL FROM:<a@b.example>\r\n");
  }
  std::string rcpt(std::string_view rest) {
    return driver_.say("RCPT " + std::string(rest) + "\r\n");
  }
  SmtpDriver driver_;
};

TEST_F(SmtpRcpt, Syntax) {
  for (const char* bad : {"", "TO", "TO:alice@example.org", "FROM:<alice@example.org>"}) {
    EXPECT_EQ(rcpt(bad).substr(0, 10), "501 5.5.2 ") << bad;
  }
  for (const char* bad : {"TO:<>", "TO:<alice>", "TO:<alice@example.org", "TO:<@x:>", "TO:<@x>"}) {
    EXPECT_EQ(rcpt(bad), "501 5.1.3 Bad recipient address syntax\r\n") << bad;
  }
  EXPECT_EQ(rcpt("TO:<alice@example.org> NOTIFY=NEVER").substr(0, 9), "555 5.5.4");
  EXPECT_EQ(rcpt("TO:<alice@example.org>x").substr(0, 9), "501 5.5.4");
  EXPECT_EQ(rcpt("TO: <alice@example.org> "), "250 2.1.5 Recipient OK\r\n");
}

TEST_F(SmtpRcpt, DirectoryDecides) {
  EXPECT_EQ(rcpt("TO:<ALICE@Example.ORG>"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt("TO:<nobody@example.org>"), "550 5.1.1 No such user here\r\n");
  EXPECT_EQ(rcpt("TO:<x@elsewhere.example>"), "550 5.7.1 Relaying denied\r\n");
  EXPECT_EQ(rcpt("TO:<x@[192.0.2.9]>"), "550 5.7.1 Relaying denied\r\n");
  EXPECT_EQ(rcpt("TO:<PostMaster>"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt("TO:<\"john doe\"@example.org>"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt("TO:<\"j\\ohn\\ doe\"@example.org>"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt("TO:<@a,@b:bob@example.org>"), "250 2.1.5 Recipient OK\r\n");
  driver_.say("DATA\r\nx\r\n.\r\n");
  ASSERT_EQ(driver_.stored.size(), 1U);
  const auto& recipients = driver_.stored[0].envelope.recipients;
  ASSERT_EQ(recipients.size(), 5U);
  EXPECT_EQ(recipients[0].address, "ALICE@Example.ORG");
  EXPECT_EQ(recipients[1].address, "PostMaster");
  EXPECT_EQ(recipients[2].address, "\"john doe\"@example.org");
  EXPECT_EQ(recipients[4].address, "bob@example.org");
  EXPECT_EQ(recipients[0].mailboxes, std::vector{store::MailboxId{1}});
  EXPECT_EQ(recipients[1].mailboxes, std::vector{store::MailboxId{3}});
  EXPECT_EQ(recipients[2].mailboxes, std::vector{store::MailboxId{4}});
  EXPECT_EQ(driver_.events[0], "recipient nobody@example.org 550");
}

TEST_F(SmtpRcpt, Utf8) {
  EXPECT_EQ(rcpt("TO:<j\xc3\xbcrgen@example.org>").substr(0, 9), "553 5.6.7");
  driver_.say("RSET\r\nMAIL FROM:<a@b> SMTPUTF8\r\n");
  EXPECT_EQ(rcpt("TO:<j\xc3\xbcrgen@example.org>").substr(0, 3), "250");
  EXPECT_EQ(rcpt("TO:<j\xfcrgen@example.org>").substr(0, 9), "501 5.1.3");
}

TEST_F(SmtpRcpt, AuthenticatedClientsMayRelay) {
  driver_.say("RSET\r\nAUTH PLAIN " + base64(std::string("\0alice@example.org\0secret", 25)) +
              "\r\nMAIL FROM:<a@b.example>\r\n");
  EXPECT_EQ(rcpt("TO:<x@elsewhere.example>"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt("TO:<nobody@example.org>"), "550 5.1.1 No such user here\r\n");
  driver_.say("DATA\r\nx\r\n.\r\n");
  ASSERT_EQ(driver_.stored.size(), 1U);
  EXPECT_TRUE(driver_.stored[0].envelope.recipients.at(0).mailboxes.empty());
  EXPECT_EQ(driver_.stored[0].envelope.identity, "alice@example.org");
}

TEST(SmtpRcptLimit, EarlierRecipientsStand) {
  auto profile = make_profile();
  profile->recipients_max = 2;
  SmtpDriver driver(profile);
  driver.greet();
  driver.say("MAIL FROM:<a@b.example>\r\n");
  const std::string rcpt = "RCPT TO:<alice@example.org>\r\n";
  EXPECT_EQ(codes(driver.say(rcpt + rcpt)), "250 250");
  EXPECT_EQ(driver.say(rcpt), "452 4.5.3 Too many recipients\r\n");
  EXPECT_EQ(codes(driver.say("DATA\r\nx\r\n.\r\n")), "354 250");
  EXPECT_EQ(driver.stored.at(0).envelope.recipients.size(), 2U);
}

TEST(SmtpRcptLimit, DirectoryCanBeReplaced) {
  SmtpDriver driver;
  driver.greet();
  driver.say("MAIL FROM:<a@b.example>\r\n");
  auto other = std::make_shared<FakeDirectory>();
  driver.session.set_directory(other);
  EXPECT_EQ(codes(driver.say("RCPT TO:<alice@example.org>\r\n")), "250");
  EXPECT_EQ(other->lookups.size(), 1U);
  EXPECT_TRUE(driver.directory->lookups.empty());
}

TEST(SmtpPipelining, RefusedSenderDoesNotCountItsRecipients) {
  auto profile = make_profile();
  profile->protocol_errors_max = 2;
  SmtpDriver driver(profile);
  driver.greet();
  std::string flight = "MAIL FROM:<a@b> SIZE=99999999999\r\n";
  for (int i = 0; i < 10; ++i) flight += "RCPT TO:<alice@example.org>\r\n";
  EXPECT_EQ(codes(driver.say(flight + "DATA\r\nRSET\r\n")),
            "552 503 503 503 503 503 503 503 503 503 503 503 250");
  EXPECT_FALSE(driver.closed());
}

// One mistake is one, whatever it was and however many commands the client sent behind it.
TEST(SmtpPipelining, AMistakeInMailIsCountedOnce) {
  auto profile = make_profile();
  profile->protocol_errors_max = 2;
  profile->auth_required = true;
  std::string group;
  for (int i = 0; i < 10; ++i) group += "RCPT TO:<alice@example.org>\r\n";
  group += "DATA\r\n";
  std::string refused;
  for (int i = 0; i < 11; ++i) refused += " 503";
  for (const auto& [mail, code] : {std::pair{"MAIL FROM:<a@b> FOO=1\r\n", "555"},
                                   {"MAIL FROM:<a@b\r\n", "501"},
                                   {"MAIL TO:<a@b>\r\n", "501"}}) {
    SmtpDriver driver(profile);
    driver.greet();
    driver.say("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==\r\n");
    EXPECT_EQ(codes(driver.say(mail + group)), code + refused);
    EXPECT_EQ(codes(driver.say("BDAT 2\r\nxx")), "503");
    EXPECT_EQ(driver.session.conversation().counters.protocol_errors, 1U) << mail;
    // The next mistake is another one, and without MAIL they are counted as they come.
    EXPECT_EQ(codes(driver.say(std::string(mail) + "RSET\r\n" + group)),
              std::string(code) + " 250 421");
  }
  SmtpDriver stranger(profile);
  stranger.greet();
  std::string needs_auth = "530";
  for (int i = 0; i < 11; ++i) needs_auth += " 530";
  EXPECT_EQ(codes(stranger.say("MAIL FROM:<a@b>\r\n" + group)), needs_auth);
  EXPECT_EQ(stranger.session.conversation().counters.protocol_errors, 1U);
}

// A second MAIL does not end the transaction that the first one opened.
TEST(SmtpPipelining, ASecondMailIsNoExcuse) {
  auto profile = make_profile();
  profile->protocol_errors_max = 2;
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(codes(driver.say("MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\nRCPT TO:x\r\nRCPT TO:x\r\n")),
            "250 503 501 421");
}

}  // namespace
}  // namespace postern::smtp::test

// AUTH (RFC 4954) with PLAIN and LOGIN, and its limits.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using std::string_literals::operator""s;

const std::string kGood = base64("\0alice@example.org\0secret"s);
const std::string kBad = base64("\0alice@example.org\0wrong"s);

class SmtpAuth : public testing::Test {
 protected:
  void SetUp() override { driver_.greet(); }
  SmtpDriver driver_;
};

TEST_F(SmtpAuth, PlainWithInitialResponse) {
  EXPECT_EQ(driver_.say("AUTH PLAIN " + kGood + "\r\n"), "235 2.7.0 Authentication succeeded\r\n");
  EXPECT_EQ(driver_.events, std::vector<std::string>{"auth PLAIN alice@example.org ok"});
  EXPECT_EQ(driver_.say("AUTH PLAIN " + kGood + "\r\n"), "503 5.5.1 Already authenticated\r\n");
  ASSERT_EQ(driver_.verified.size(), 1U);
  EXPECT_EQ(driver_.verified[0].password, "secret");
}

TEST_F(SmtpAuth, PlainWithoutInitialResponse) {
  EXPECT_EQ(driver_.say("AUTH PLAIN\r\n"), "334 PLAIN supported\r\n");
  EXPECT_EQ(codes(driver_.say(kGood + "\r\n")), "235");
}

TEST_F(SmtpAuth, MechanismIsNamedAsTheClientWroteIt) {
  EXPECT_EQ(driver_.say("auth plain\r\n"), "334 plain supported\r\n");
  EXPECT_EQ(codes(driver_.say(kGood + "\r\n")), "235");
}

TEST_F(SmtpAuth, LoginPrompts) {
  EXPECT_EQ(driver_.say("AUTH LOGIN\r\n"), "334 VXNlcm5hbWU6\r\n");
  EXPECT_EQ(driver_.say(base64("alice@example.org") + "\r\n"), "334 UGFzc3dvcmQ6\r\n");
  EXPECT_EQ(codes(driver_.say(base64("secret") + "\r\n")), "235");
}

TEST_F(SmtpAuth, LoginWithUserAsInitialResponse) {
  EXPECT_EQ(driver_.say("AUTH LOGIN " + base64("alice@example.org") + "\r\n"),
            "334 UGFzc3dvcmQ6\r\n");
  EXPECT_EQ(codes(driver_.say(base64("secret") + "\r\n")), "235");
}

TEST_F(SmtpAuth, BadCredentials) {
  EXPECT_EQ(driver_.say("AUTH PLAIN " + kBad + "\r\n"),
            "535 5.7.8 Authentication credentials invalid\r\n");
  EXPECT_EQ(driver_.say("AUTH PLAIN " + base64("\0nobody\0x"s) + "\r\n"),
            "535 5.7.8 Authentication credentials invalid\r\n");
  EXPECT_EQ(codes(driver_.say("AUTH PLAIN " + kGood + "\r\n")), "235") << "may try again";
}

TEST_F(SmtpAuth, AuthorizationIdentity) {
  EXPECT_EQ(codes(driver_.say("AUTH PLAIN " + base64("bob\0alice@example.org\0secret"s) + "\r\n")),
            "535");
  EXPECT_TRUE(driver_.verified.empty());
  EXPECT_EQ(codes(driver_.say("AUTH PLAIN " +
                              base64("alice@example.org\0alice@example.org\0secret"s) + "\r\n")),
            "235");
}

TEST_F(SmtpAuth, CancelAndEmptyResponses) {
  EXPECT_EQ(driver_.say("AUTH PLAIN\r\n*\r\nNOOP\r\n"),
            "334 PLAIN supported\r\n501 5.7.0 Authentication cancelled\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(driver_.say("AUTH PLAIN =\r\nNOOP\r\n"),
            "501 5.5.2 Malformed authentication message\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(codes(driver_.say("AUTH LOGIN =\r\nNOOP\r\n")), "501 250");
  EXPECT_EQ(codes(driver_.say("AUTH LOGIN\r\n\r\nNOOP\r\n")), "334 501 250");
}

TEST_F(SmtpAuth, MalformedInput) {
  const std::pair<std::string, std::string> expected[] = {
      {"AUTH", "501 5.5.4"},
      {"AUTH PLAIN x y", "501 5.5.4"},
      {"AUTH P@IN", "501 5.5.4"},
      {"AUTH ABCDEFGHIJKLMNOPQRSTU", "501 5.5.4"},
      {"AUTH CRAM-MD5", "504 5.5.4"},
      {"AUTH PLAIN !!!!", "501 5.5.2"},
      {"AUTH PLAIN AAA", "501 5.5.2"},
      {"AUTH PLAIN =AAA", "501 5.5.2"},
      {"AUTH PLAIN AA=A", "501 5.5.2"},
      {"AUTH PLAIN " + base64("no nul"), "501 5.5.2"},
      {"AUTH PLAIN " + base64("\0a"s), "501 5.5.2"},
      {"AUTH PLAIN " + base64("\0\0pw"s), "501 5.5.2"},
      {"AUTH PLAIN " + base64("\0user\0"s), "501 5.5.2"},
      {"AUTH PLAIN " + base64("\0user\0a\0b"s), "501 5.5.2"},
      {"AUTH PLAIN " + base64("\0" + std::string(1025, 'u') + "\0p"s), "501 5.5.2"},
  };
  for (const auto& [command, start] : expected) {
    EXPECT_EQ(driver_.say(command + "\r\n").substr(0, 9), start) << command;
  }
  EXPECT_EQ(codes(driver_.say("AUTH PLAIN\r\nNOOP\r\n")), "334 501") << "NOOP is no response";
  EXPECT_TRUE(driver_.verified.empty());
}

TEST_F(SmtpAuth, ResponsesMayBeLongButNotEndless) {
  EXPECT_EQ(codes(driver_.say("AUTH PLAIN\r\n" + std::string(12'284, 'A') + "\r\n")), "334 501");
  EXPECT_EQ(driver_.say("AUTH PLAIN\r\n" + std::string(12'288, 'A') + "\r\nNOOP\r\n"),
            "334 PLAIN supported\r\n500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n");
}

TEST_F(SmtpAuth, RepliesWaitForTheVerdict) {
  driver_.hold_answers = true;
  EXPECT_EQ(driver_.say("AUTH PLAIN " + kGood + "\r\nNOOP\r\n"), "");
  EXPECT_EQ(driver_.input, "NOOP\r\n");
  driver_.answer_verify(VerifyOutcome::ok, "alice@example.org");
  EXPECT_EQ(codes(driver_.take()), "235 250");
}

TEST_F(SmtpAuth, TemporaryFailureIsNoLogonFailure) {
  driver_.hold_answers = true;
  driver_.say("AUTH PLAIN " + kGood + "\r\n");
  driver_.answer_verify(VerifyOutcome::unavailable);
  EXPECT_EQ(driver_.take(), "454 4.7.0 Temporary authentication failure\r\n");
  EXPECT_EQ(driver_.session.conversation().counters.logon_failures, 0U);
}

TEST_F(SmtpAuth, ClientGoneDuringVerification) {
  driver_.hold_answers = true;
  driver_.say("AUTH PLAIN " + kGood + "\r\n");
  driver_.end_of_input();
  EXPECT_FALSE(driver_.closed());
  driver_.answer_verify(VerifyOutcome::bad_credentials);
  EXPECT_TRUE(driver_.closed());
}

TEST(SmtpAuthRules, EncryptionRequired) {
  auto profile = make_profile();
  profile->auth_plaintext = false;
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(driver.say("AUTH PLAIN " + kGood + "\r\n"),
            "538 5.7.11 Encryption required for this mechanism\r\n");
  EXPECT_EQ(codes(driver.say("AUTH LOGIN\r\n")), "538");
  EXPECT_TRUE(driver.verified.empty());
  driver.say("STARTTLS\r\n");
  driver.tls();
  EXPECT_EQ(codes(driver.say("EHLO c\r\nAUTH PLAIN " + kGood + "\r\n")), "250 235");
}

TEST(SmtpAuthRules, NotOffered) {
  auto profile = make_profile();
  profile->auth = false;
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(codes(driver.say("AUTH PLAIN " + kGood + "\r\n")), "502");
}

TEST(SmtpAuthRules, TooManyFailuresEndTheSession) {
  auto profile = make_profile();
  profile->logon_failures_max = 3;
  SmtpDriver driver(profile);
  driver.greet();
  const std::string attempt = "AUTH PLAIN " + kBad + "\r\n";
  EXPECT_EQ(codes(driver.say(attempt + attempt + attempt)), "535 535 535");
  EXPECT_EQ(driver.say(attempt + attempt).substr(0, 10), "421 4.7.0 ");
  EXPECT_TRUE(driver.closed());
  ASSERT_EQ(driver.end_reasons.size(), 1U);
  EXPECT_EQ(driver.end_reasons[0], EndReason::logon_failures);
}

TEST(SmtpAuthRules, ReceivedSaysSo) {
  SmtpDriver driver;
  driver.greet();
  driver.say("AUTH PLAIN " + kGood +
             "\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"
             "x\r\n.\r\n");
  EXPECT_NE(driver.stored.at(0).trace().find(" with ESMTPA id "), std::string::npos);
}

// RFC 4422 appendix A: the first challenge of EXTERNAL is empty (SMTP-03), the client's certificate
// is the proof.
class SmtpExternal : public testing::Test {
 protected:
  void show_certificate(const std::string& name) {
    driver_.greet();
    driver_.say("STARTTLS\r\n");
    driver_.tls(name);
    ehlo_ = driver_.say("EHLO c\r\n");
  }
  SmtpDriver driver_;
  std::string ehlo_;
};

TEST_F(SmtpExternal, EmptyFirstChallenge) {
  show_certificate("Alice@example.org");
  EXPECT_NE(ehlo_.find("250-AUTH PLAIN LOGIN EXTERNAL\r\n"), std::string::npos) << ehlo_;
  EXPECT_EQ(driver_.say("AUTH External\r\n"), "334 External supported\r\n");
  EXPECT_EQ(driver_.say("\r\n"), "235 2.7.0 Authentication succeeded\r\n");
  EXPECT_EQ(driver_.session.conversation().identity, "alice@example.org");
  EXPECT_EQ(driver_.events, std::vector<std::string>{"auth External alice@example.org ok"});
  EXPECT_EQ(codes(driver_.say("AUTH EXTERNAL =\r\n")), "503");
}

TEST_F(SmtpExternal, InitialResponses) {
  show_certificate("alice@example.org");
  EXPECT_EQ(codes(driver_.say("AUTH EXTERNAL " + base64("bob@example.org") + "\r\n")), "535")
      << "nobody acts as another";
  EXPECT_EQ(codes(driver_.say("AUTH EXTERNAL " + base64("a\0b"s) + "\r\n")), "501");
  EXPECT_EQ(codes(driver_.say("AUTH EXTERNAL\r\n*\r\n")), "334 501");
  EXPECT_EQ(codes(driver_.say("AUTH EXTERNAL " + base64("alice@example.org") + "\r\n")), "235");
}

TEST_F(SmtpExternal, OfSomebodyUnknown) {
  show_certificate("eve@example.org");
  EXPECT_EQ(codes(driver_.say("AUTH EXTERNAL =\r\n")), "535");
  EXPECT_EQ(driver_.events, std::vector<std::string>{"auth EXTERNAL eve@example.org failed"});
}

TEST_F(SmtpExternal, WithoutACertificateItIsNotThere) {
  show_certificate("");
  EXPECT_EQ(ehlo_.find("EXTERNAL"), std::string::npos);
  EXPECT_EQ(codes(driver_.say("AUTH EXTERNAL =\r\n")), "504");
}

}  // namespace
}  // namespace postern::smtp::test

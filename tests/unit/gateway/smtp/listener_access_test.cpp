// Who may use a listener: accounts (SMTP-15), mechanisms, networks that need no login.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using std::string_literals::operator""s;

const std::string kAlice = "AUTH PLAIN " + base64("\0alice@example.org\0secret"s) + "\r\n";
const std::string kWrong = "AUTH PLAIN " + base64("\0alice@example.org\0wrong"s) + "\r\n";

std::shared_ptr<SmtpProfile> profile_for(std::vector<std::string> users) {
  auto profile = make_profile();
  profile->access.users = std::move(users);
  return profile;
}

TEST(ListenerAccess, AdmitsAccountsAndDomains) {
  ListenerAccess access;
  EXPECT_TRUE(access.admits("anybody@anywhere.org"));
  access.users = {"joe@example.org", "@example.net"};
  EXPECT_TRUE(access.admits("joe@example.org"));
  EXPECT_TRUE(access.admits("JOE@Example.ORG"));
  EXPECT_TRUE(access.admits("anybody@EXAMPLE.net"));
  EXPECT_FALSE(access.admits("jim@example.org"));
  EXPECT_FALSE(access.admits("joe@sub.example.net"));
  EXPECT_FALSE(access.admits("example.net"));
  EXPECT_FALSE(access.admits(""));
}

TEST(ListenerAccess, AnAccountOfAnotherListenerIsToldAfterItsPassword) {
  SmtpDriver driver(profile_for({"bob@example.org", "@example.net"}));
  driver.greet();
  EXPECT_EQ(driver.say(kWrong).substr(0, 9), "535 5.7.8") << "a wrong password tells nothing";
  EXPECT_EQ(driver.say(kAlice), "421 4.3.2 Service not available to you here\r\n");
  EXPECT_TRUE(driver.session.output().close);
  EXPECT_FALSE(driver.session.conversation().authenticated());
}

TEST(ListenerAccess, AnAccountOfThisListenerLogsIn) {
  SmtpDriver driver(profile_for({"@example.org"}));
  driver.greet();
  EXPECT_EQ(driver.say(kAlice).substr(0, 3), "235");
}

TEST(ListenerAccess, MechanismsAreOfferedAndTakenAsConfigured) {
  auto profile = make_profile();
  profile->access.mechanisms = {"LOGIN"};
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.open();
  driver.take();
  EXPECT_NE(driver.say("EHLO x\r\n").find("250-AUTH LOGIN\r\n"), std::string::npos);
  EXPECT_EQ(driver.say(kAlice).substr(0, 3), "504");
  EXPECT_EQ(driver.say("AUTH login\r\n").substr(0, 3), "334");
}

TEST(ListenerAccess, TrustedClientsMayRelayWhereTheListenerSaysSo) {
  for (const bool trusted : {false, true}) {
    for (const bool relay : {false, true}) {
      auto profile = make_profile();
      profile->auth_required = true;
      profile->access.trusted_relay = relay;
      PeerFacts peer = SmtpDriver::stranger();
      peer.trusted = trusted;
      SmtpDriver driver(profile, nullptr, peer);
      driver.greet();
      const bool fine = trusted && relay;
      EXPECT_EQ(driver.say("MAIL FROM:<a@example.org>\r\n").substr(0, 3), fine ? "250" : "530");
      if (!fine) continue;
      EXPECT_EQ(driver.say("RCPT TO:<b@elsewhere.example>\r\n").substr(0, 3), "250");
    }
  }
}

}  // namespace
}  // namespace postern::smtp::test

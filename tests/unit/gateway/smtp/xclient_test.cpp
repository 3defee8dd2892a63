// XCLIENT: a trusted proxy says for whom it speaks.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

class Xclient : public testing::Test {
 protected:
  static std::shared_ptr<SmtpProfile> profile() {
    auto made = make_profile();
    made->rules.xclient = true;
    return made;
  }
  static PeerFacts proxy() {
    PeerFacts peer = SmtpDriver::stranger();
    peer.trusted = true;
    return peer;
  }
  SmtpDriver driver_{profile(), nullptr, proxy()};
};

TEST_F(Xclient, TheSessionBeginsAnewWithThatClient) {
  driver_.open();
  EXPECT_NE(driver_.say("EHLO proxy.example\r\n").find("250-XCLIENT ADDR PORT HELO LOGIN"),
            std::string::npos);
  EXPECT_EQ(driver_.say("XCLIENT ADDR=203.0.113.9 PORT=1234 NAME=[UNAVAILABLE] HELO=c.example "
                        "PROTO=ESMTP DESTADDR=IPv6:2001:db8::25 DESTPORT=587\r\n"),
            "220 mx.example.org ESMTP Postern\r\n");
  const PeerFacts& peer = driver_.session.conversation().peer;
  EXPECT_EQ(peer.address, "203.0.113.9");
  EXPECT_EQ(peer.port, 1234);
  EXPECT_EQ(peer.local_address, "2001:db8::25");
  EXPECT_EQ(peer.local_port, 587);
  EXPECT_EQ(peer.proxy, "192.0.2.1");
  EXPECT_FALSE(peer.trusted);
  EXPECT_EQ(codes(driver_.say("MAIL FROM:<a@b>\r\n")), "503") << "EHLO comes first again";
  driver_.say(
      "EHLO real.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\n"
      "BDAT 5 LAST\r\nA:b\r\n");
  ASSERT_EQ(driver_.stored.size(), 1U);
  EXPECT_NE(driver_.stored[0].trace().find("from real.example ([203.0.113.9])"), std::string::npos);
  // The same proxy may speak for the next one.
  EXPECT_EQ(codes(driver_.say("XCLIENT ADDR=IPv6:2001:DB8::7\r\n")), "220");
  EXPECT_TRUE(driver_.session.conversation().peer.is_ipv6);
}

TEST_F(Xclient, LoginOfAKnownAccount) {
  driver_.greet();
  EXPECT_EQ(codes(driver_.say("XCLIENT LOGIN=alice@example.org\r\n")), "220");
  EXPECT_EQ(driver_.session.conversation().identity, "alice@example.org");
  EXPECT_EQ(codes(driver_.say("EHLO c\r\nMAIL FROM:<alice@example.org>\r\n"
                              "RCPT TO:<x@elsewhere.example>\r\nRSET\r\n")),
            "250 250 250 250");
  EXPECT_EQ(codes(driver_.say("XCLIENT LOGIN=[UNAVAILABLE]\r\n")), "220");
  EXPECT_FALSE(driver_.session.conversation().authenticated()) << "forgotten";
  EXPECT_EQ(codes(driver_.say("XCLIENT LOGIN=nobody@example.org\r\n")), "535");
}

TEST_F(Xclient, WhatIsNotAnAttributeChangesNothing) {
  driver_.greet();
  for (const char* bad :
       {"", "ADDR", "ADDR=", "ADDR=x", "ADDR=2001:db8::1", "ADDR=192.0.2.256", "PORT=65536",
        "PORT=x", "HELO=a+20b", "HELO=a+", "FOO=1", "ADDR=192.0.2.9 PORT=-1", "DESTADDR=here"}) {
    EXPECT_EQ(driver_.say("XCLIENT " + std::string(bad) + "\r\n").substr(0, 9), "501 5.5.4") << bad;
    EXPECT_EQ(driver_.session.conversation().peer.address, "192.0.2.1");
  }
  driver_.say("MAIL FROM:<a@b>\r\n");
  EXPECT_EQ(codes(driver_.say("XCLIENT ADDR=192.0.2.9\r\n")), "503") << "not during a transaction";
}

TEST_F(Xclient, TheListenerJudgesTheClient) {
  const std::pair<Refusal, const char*> refusals[] = {
      {Refusal::address_not_allowed, "550 5.7.1 "},
      {Refusal::binding_not_configured, "421 4.3.2 "},
      {Refusal::connections_per_source, "421 4.3.2 "},
  };
  for (const auto& [why, expected] : refusals) {
    SmtpDriver driver(profile(), nullptr, proxy());
    driver.greet();
    EXPECT_EQ(codes(driver.say("XCLIENT ADDR=203.0.113.1\r\n")), "220");
    driver.client_refusal = why;
    EXPECT_EQ(driver.say("XCLIENT ADDR=203.0.113.9\r\nEHLO c\r\n").substr(0, 10), expected);
    EXPECT_TRUE(driver.closed()) << expected;
    EXPECT_EQ(driver.end_reasons, std::vector<EndReason>{EndReason::refused});
    EXPECT_EQ(driver.named, (std::vector<std::string>{"203.0.113.1", "203.0.113.9"}));
    EXPECT_EQ(driver.session.conversation().peer.address, "203.0.113.1") << "he never came";
  }
}

TEST_F(Xclient, NobodyIsJudgedForWhatIsRefusedAnyway) {
  driver_.greet();
  driver_.say("XCLIENT ADDR=x\r\nXCLIENT LOGIN=nobody@example.org ADDR=203.0.113.9\r\n");
  EXPECT_TRUE(driver_.named.empty());
}

TEST(XclientCounters, MistakesAreTheirOwnersOnly) {
  auto strict = make_profile();
  strict->rules.xclient = true;
  strict->protocol_errors_max = 2;
  strict->logon_failures_max = 1;
  PeerFacts proxy = SmtpDriver::stranger();
  proxy.trusted = true;
  SmtpDriver driver(strict, nullptr, proxy);
  driver.greet();
  const std::string wrong = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\r\n";
  for (int client = 1; client <= 3; ++client) {
    EXPECT_EQ(codes(driver.say("XCLIENT ADDR=203.0.113." + std::to_string(client) + "\r\n")),
              "220");
    EXPECT_EQ(codes(driver.say("EHLO c\r\nFOO\r\nFOO\r\n" + wrong)), "250 500 500 535");
  }
  EXPECT_EQ(codes(driver.say("FOO\r\n")), "421") << "one client's limit is what it was";
}

TEST(XclientDenied, ToStrangersAndWhenItIsOff) {
  PeerFacts trusted = SmtpDriver::stranger();
  trusted.trusted = true;
  auto on = make_profile();
  on->rules.xclient = true;
  SmtpDriver stranger(on);
  SmtpDriver off(make_profile(), nullptr, trusted);
  for (SmtpDriver* driver : {&stranger, &off}) {
    driver->open();
    EXPECT_EQ(driver->say("EHLO c\r\n").find("XCLIENT"), std::string::npos);
    EXPECT_EQ(driver->say("XCLIENT ADDR=203.0.113.9\r\n"), "500 5.5.1 Command not recognized\r\n");
  }
}

}  // namespace
}  // namespace postern::smtp::test

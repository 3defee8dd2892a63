// Bare CR and LF, NUL, and clients that speak before their turn: what each policy does.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using config::LineEndPolicy;
using std::string_literals::operator""s;

const std::string kEnvelope = "MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n";

std::string chunk(std::string_view octets) {
  return "BDAT " + std::to_string(octets.size()) + " LAST\r\n" + std::string(octets);
}

std::shared_ptr<SmtpProfile> profile_with(LineEndPolicy policy) {
  auto profile = make_profile();
  profile->rules.bare_newline = policy;
  return profile;
}

// What is stored of a message sent with DATA (a CRLF is put behind it) and with BDAT; empty: it was
// refused, `replies` says how.
struct Stored {
  std::string data, bdat, replies;
};

Stored store(LineEndPolicy policy, const std::string& message) {
  Stored stored;
  SmtpDriver driver(profile_with(policy));
  driver.greet();
  driver.say(kEnvelope + "DATA\r\n");
  stored.replies = driver.say(message + "\r\n.\r\n");
  if (!driver.stored.empty()) stored.data = driver.stored[0].content();
  driver.stored.clear();
  driver.say(kEnvelope);
  stored.replies += driver.say(chunk(message));
  if (!driver.stored.empty()) stored.bdat = driver.stored[0].content();
  return stored;
}

TEST(LineEnds, RejectIsTheDefault) {
  for (const char* message :
       {"A: b\r\n\r\nx\ny", "A: b\r\n\r\nx\ry", "\nx", "A: b\r\n\r\nx\r\r\n"}) {
    const Stored stored = store(config::SmtpRuleSettings{}.bare_newline, message);
    EXPECT_EQ(stored.data, "");
    EXPECT_EQ(stored.bdat, "");
    EXPECT_EQ(stored.replies,
              "550 5.6.11 Message holds a bare <CR> or <LF>\r\n"
              "550 5.6.11 Message holds a bare <CR> or <LF>\r\n");
  }
}

TEST(LineEnds, NormalizeMakesEachOneCrlf) {
  const Stored mixed = store(LineEndPolicy::normalize, "A: b\n\nx\ry\r\nz\r\r\n.w");
  EXPECT_EQ(mixed.data, "A: b\r\n\r\nx\r\ny\r\nz\r\n\r\nw\r\n") << "the dot was stuffed";
  EXPECT_EQ(mixed.bdat, "A: b\r\n\r\nx\r\ny\r\nz\r\n\r\n.w\r\n");
  EXPECT_EQ(store(LineEndPolicy::normalize, "\r\nx\r").bdat, "\r\nx\r\n");
  EXPECT_EQ(store(LineEndPolicy::normalize, "\r\nx\n").bdat, "\r\nx\r\n");
}

TEST(LineEnds, AllowKeepsThem) {
  const Stored mixed = store(LineEndPolicy::allow, "A: b\n\nx\ry\r\nz\n.w");
  EXPECT_EQ(mixed.data, "A: b\n\nx\ry\r\nz\n.w\r\n");
  EXPECT_EQ(mixed.bdat, "A: b\n\nx\ry\r\nz\n.w\r\n");
  EXPECT_EQ(store(LineEndPolicy::allow, "\r\nx\n").bdat, "\r\nx\n\r\n") << "ends in CRLF";
  EXPECT_EQ(store(LineEndPolicy::allow, "\r\nx\r").bdat, "\r\nx\r\n");
}

// SMTP smuggling: whatever the policy, only CRLF.CRLF ends a message.
TEST(LineEnds, NothingElseEndsAMessage) {
  for (const LineEndPolicy policy :
       {LineEndPolicy::reject, LineEndPolicy::normalize, LineEndPolicy::allow}) {
    for (const std::string& end :
         {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r.\r\n"s, "\r\n.\r"s, "\r\n.\rx"s,
          "\n\n.\r\n"s, "\r\r\n.\n"s, "\r\n\0\n.\r\n"s, "\n.\r\r\n"s}) {
      auto profile = profile_with(policy);
      profile->rules.nul_octets = config::NulPolicy::allow;
      SmtpDriver driver(profile);
      driver.greet();
      driver.say(kEnvelope + "DATA\r\nA: b\r\n\r\nx");
      EXPECT_EQ(driver.say(end + "MAIL FROM:<evil@b.example>\r\n" + kEnvelope), "")
          << "the message goes on";
      EXPECT_EQ(codes(driver.say("\r\n.\r\n")), policy == LineEndPolicy::reject ? "550" : "250");
      EXPECT_EQ(driver.stored.size(), policy == LineEndPolicy::reject ? 0U : 1U);
    }
  }
}

TEST(LineEnds, CommandsFollowThePolicy) {
  SmtpDriver strict;
  strict.greet();
  EXPECT_EQ(strict.say("NOOP\n"), "500 5.5.2 Lines must end in <CR><LF>\r\n");
  for (const LineEndPolicy policy : {LineEndPolicy::normalize, LineEndPolicy::allow}) {
    SmtpDriver driver(profile_with(policy));
    driver.greet();
    EXPECT_EQ(codes(driver.say("NOOP\n")), "250");
    EXPECT_EQ(codes(driver.say("NOOP\r\r\n")), "500") << "a CR within a line is none";
    EXPECT_EQ(codes(driver.say("\n")), "500");
  }
}

TEST(Nul, IsRefusedUnlessAllowed) {
  auto profile = make_profile();
  for (const config::NulPolicy policy : {config::NulPolicy::reject, config::NulPolicy::allow}) {
    profile->rules.nul_octets = policy;
    SmtpDriver driver(profile);
    driver.greet();
    const bool allowed = policy == config::NulPolicy::allow;
    const std::string message = "A: b\r\n\r\nx\0y\r\n"s;
    const std::string answer =
        allowed ? "250 2.6.0 ID1 queued\r\n" : "550 5.6.0 Message holds a NUL octet\r\n";
    EXPECT_TRUE(driver.say(kEnvelope + "DATA\r\n" + message + ".\r\n").ends_with(answer));
    EXPECT_EQ(codes(driver.say(kEnvelope + chunk(message))),
              allowed ? "250 250 250" : "250 250 550");
    if (allowed) {
      EXPECT_EQ(driver.stored.at(1).content(), message);
    }
    EXPECT_EQ(driver.say("NO\0OP\r\n"s), "500 5.5.2 Control character in command\r\n");
  }
}

TEST(Pipelining, WhatMustBeLastIsLast) {
  const std::pair<const char*, const char*> groups[] = {
      {"EHLO c\r\n", "MAIL FROM:<a@b>\r\n"},
      {"HELO c\r\n", "MAIL FROM:<a@b>\r\n"},
      {"EHLO c\r\n|MAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n", "A: b\r\n"},
      {"EHLO c\r\n|NOOP\r\n", "x"},
      {"EHLO c\r\n|VRFY x\r\n", "x"},
      {"EHLO c\r\n|EXPN x\r\n", "x"},
      {"EHLO c\r\n|AUTH PLAIN\r\n", "x"},
      {"EHLO c\r\n|AUTH LOGIN\r\n|YQ==\r\n", "Yg==\r\n"},
      {"HELO c\r\n|MAIL FROM:<a@b>\r\n", "RCPT TO:<alice@example.org>\r\n"},
  };
  auto profile = make_profile();
  profile->rules.pipelining_strict = true;
  for (const auto& [group, behind] : groups) {
    for (const bool early : {false, true}) {
      SmtpDriver driver(profile);
      driver.open();
      std::string_view rest = group;
      while (rest.find('|') != std::string_view::npos) {
        driver.feed(rest.substr(0, rest.find('|')));
        rest.remove_prefix(rest.find('|') + 1);
      }
      driver.take();
      const std::string replies = driver.say(std::string(rest) + (early ? behind : ""));
      EXPECT_EQ(driver.closed(), early) << group;
      EXPECT_EQ(replies.ends_with(
                    "554 5.5.0 Input before the reply to a command that ends its group\r\n"),
                early)
          << group << replies;
      if (early) {
        EXPECT_EQ(driver.end_reasons, std::vector{EndReason::pipelining});
      }
    }
  }
}

// RFC 2920 3.1: these may come in groups, whole messages behind each other too.
TEST(Pipelining, WhatMayBeGroupedIsServed) {
  auto profile = make_profile();
  profile->rules.pipelining_strict = true;
  SmtpDriver driver(profile);
  driver.greet();
  EXPECT_EQ(codes(driver.say("RSET\r\n" + kEnvelope + "DATA\r\n")), "250 250 250 354");
  EXPECT_EQ(codes(driver.say("A: b\r\n.\r\nRSET\r\n" + kEnvelope + chunk("A: b\r\n") + kEnvelope +
                             "BDAT 0\r\nRSET\r\nHELP\r\nQUIT\r\nwhatever")),
            "250 250 250 250 250 250 250 250 250 214 221");
  EXPECT_EQ(driver.end_reasons, std::vector{EndReason::quit});
}

TEST(Pipelining, WhatFollowsQuitIsNobodysBusiness) {
  auto profile = make_profile();
  profile->rules.pipelining_strict = true;
  for (const std::string hello : {"", "HELO c\r\n", "EHLO c\r\n"}) {
    SmtpDriver driver(profile);
    driver.open();
    driver.say(hello);
    EXPECT_EQ(codes(driver.say("QUIT\r\n\r\nNOOP\r\n")), "221") << hello;
    EXPECT_EQ(driver.end_reasons, std::vector{EndReason::quit}) << hello;
  }
}

TEST(Pipelining, TheTarpitHoldsTheFarewell) {
  auto profile = make_profile();
  profile->rules.pipelining_strict = true;
  profile->tarpit_delay = std::chrono::seconds(5);
  SmtpDriver driver(profile);
  driver.open();
  driver.take();
  EXPECT_EQ(driver.say("EHLO c\r\nMAIL"), "");
  driver.pass(std::chrono::seconds(5));
  EXPECT_EQ(codes(driver.take()), "554");
  EXPECT_TRUE(driver.closed());
}

// A browser or a TLS client is gone at once, tarpit or not: nobody reads the reply.
TEST(OtherProtocols, AreCutOffAtOnce) {
  auto profile = make_profile();
  profile->tarpit_delay = std::chrono::seconds(5);
  for (const std::string& hello : {"GET / HTTP/1.1\r\n"s, "POST /x HTTP/1.0\r\n"s,
                                   "PRI * HTTP/2.0\r\n"s, "\x16\x03\x01\x02\0\x01"s}) {
    SmtpDriver driver(profile);
    driver.open();
    driver.take();
    EXPECT_EQ(driver.say(hello), "421 4.7.0 This is an SMTP server, closing connection\r\n");
    EXPECT_TRUE(driver.closed());
    EXPECT_EQ(driver.end_reasons, std::vector{EndReason::not_smtp});
  }
}

}  // namespace
}  // namespace postern::smtp::test

// What a submission server does with messages and senders (RFC 6409).
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using std::string_literals::operator""s;

const std::string kLogin = "AUTH PLAIN " + base64("\0alice@example.org\0secret"s) + "\r\n";
const std::string kDate = "Date: Sat, 21 Nov 2026 14:30:00 +0000\r\n";  // the driver's clock
const std::string kMessageId = "Message-ID: <ID1@mx.example.org>\r\n";

std::shared_ptr<SmtpProfile> profile_with(config::SmtpRuleSettings rules) {
  auto profile = make_profile();
  rules.pipelining_strict = false;
  profile->rules = rules;
  profile->prepare_replies();
  return profile;
}

// What is stored of a message; everything is sent octet by octet too, with the same result.
std::string stored(const config::SmtpRuleSettings& rules, const std::string& message) {
  const auto send = [&](bool cut) {
    SmtpDriver driver(profile_with(rules));
    driver.greet();
    driver.say("MAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\n");
    const std::string all = "BDAT " + std::to_string(message.size()) + " LAST\r\n" + message;
    for (std::size_t at = 0; at < all.size(); at += cut ? 1 : all.size()) {
      driver.feed(all.substr(at, cut ? 1 : all.size()));
    }
    EXPECT_EQ(driver.take(), "250 2.6.0 ID1 queued\r\n");
    EXPECT_EQ(driver.stored.at(0).size_octets, driver.stored.at(0).octets.size());
    return driver.stored.at(0).content();
  };
  const std::string whole = send(false);
  EXPECT_EQ(send(true), whole);
  return whole;
}

TEST(Sender, MustBelongToTheIdentity) {
  SmtpDriver driver(profile_with({.sender_owned = true}));
  driver.greet();
  EXPECT_EQ(codes(driver.say("MAIL FROM:<bob@example.org>\r\nRSET\r\n")), "250 250")
      << "nobody has logged in: the rule is for those who have";
  driver.say(kLogin);
  driver.events.clear();
  EXPECT_EQ(driver.say("MAIL FROM:<bob@example.org>\r\n"),
            "550 5.7.1 This sender address is not yours\r\n");
  EXPECT_EQ(driver.events, std::vector<std::string>{"sender bob@example.org 550"});
  EXPECT_EQ(driver.last_summary.protocol_errors, 0U);
  for (const char* own : {"alice@example.org", "ALICE@Example.ORG", "\"alice\"@example.org",
                          "press@example.net", ""}) {
    EXPECT_EQ(codes(driver.say("MAIL FROM:<" + std::string(own) + ">\r\nRSET\r\n")), "250 250")
        << own;
  }
  EXPECT_EQ(codes(driver.say("MAIL FROM:<alice@example.net>\r\n")), "550");
}

TEST(Sender, RuleCanBeOff) {
  SmtpDriver driver(profile_with({.sender_owned = false}));
  driver.greet();
  driver.say(kLogin);
  EXPECT_EQ(codes(driver.say("MAIL FROM:<bob@example.org>\r\n")), "250");
}

TEST(MissingFields, AreAddedBehindTheHeader) {
  const config::SmtpRuleSettings rules{.add_missing_fields = true};
  EXPECT_EQ(stored(rules, "Subject: x\r\n\r\nbody\r\n"),
            "Subject: x\r\n" + kDate + kMessageId + "\r\nbody\r\n");
  EXPECT_EQ(stored(rules, "date: x\r\n\r\n"), "date: x\r\n" + kMessageId + "\r\n");
  EXPECT_EQ(stored(rules, "MESSAGE-ID : <x@y>\r\n\r\n"), "MESSAGE-ID : <x@y>\r\n" + kDate + "\r\n");
  const std::string complete = "Date: x\r\nMessage-ID:\r\n <x@y>\r\n\r\nDate: y\r\n";
  EXPECT_EQ(stored(rules, complete), complete);
}

TEST(MissingFields, HeaderWithoutEndOrWithoutBeginning) {
  const config::SmtpRuleSettings rules{.add_missing_fields = true};
  EXPECT_EQ(stored(rules, ""), kDate + kMessageId);
  EXPECT_EQ(stored(rules, "\r\nbody\r\n"), kDate + kMessageId + "\r\nbody\r\n");
  EXPECT_EQ(stored(rules, "A: b\r\n"), "A: b\r\n" + kDate + kMessageId);
  EXPECT_EQ(stored(rules, "no header at all\r\nx\r\n"),
            kDate + kMessageId + "\r\nno header at all\r\nx\r\n");
  EXPECT_EQ(stored(rules, "A: b\r\n c\r\nbody: no\r\nand no more\r\n"),
            "A: b\r\n c\r\nbody: no\r\n" + kDate + kMessageId + "\r\nand no more\r\n");
  EXPECT_EQ(stored(rules, ": no name\r\n"), kDate + kMessageId + "\r\n: no name\r\n");
  EXPECT_EQ(stored(rules, "word"), kDate + kMessageId + "\r\nword\r\n");
  const std::string long_word(HeaderEditor::kNameOctetsMax + 1, 'x');
  EXPECT_EQ(stored(rules, long_word + ": y\r\n"),
            kDate + kMessageId + "\r\n" + long_word + ": y\r\n");
}

TEST(MissingFields, AreLeftAloneByDefaultOnAListenerForStrangers) {
  EXPECT_EQ(stored({}, "Subject: x\r\nBcc: y\r\n\r\n"), "Subject: x\r\nBcc: y\r\n\r\n");
}

TEST(Bcc, IsRemovedOnRequest) {
  const config::SmtpRuleSettings rules{.remove_bcc = true};
  EXPECT_EQ(stored(rules,
                   "Bcc: a@b\r\nTo: c\r\nbCC : d,\r\n\te,\r\n f\r\nCc: g\r\nResent-Bcc: h\r\n"
                   "Bccc: i\r\nX-Bcc: j\r\nBc: k\r\n\r\nBcc: body\r\n"),
            "To: c\r\nCc: g\r\nBccc: i\r\nX-Bcc: j\r\nBc: k\r\n\r\nBcc: body\r\n");
  EXPECT_EQ(stored(rules, "Bcc: only"), "");
  EXPECT_EQ(stored(rules, "Bcc:\r\n\r\n"), "\r\n");
  EXPECT_EQ(stored(rules, "Bcc x\r\n"), "Bcc x\r\n") << "not a field";
}

TEST(ClientAddress, IsHiddenForThoseWhoLoggedIn) {
  SmtpDriver driver(profile_with({.hide_client_address = true}));
  driver.greet();
  const std::string message =
      "MAIL FROM:<a@b>\r\nRCPT TO:<bob@example.org>\r\nBDAT 8 LAST\r\nA: b\r\n\r\n";
  driver.say(message);
  EXPECT_NE(driver.stored.at(0).trace().find("from client.example ([192.0.2.1])"),
            std::string::npos);
  driver.say(kLogin + message);
  const std::string trace = driver.stored.at(1).trace();
  EXPECT_EQ(trace.find("192.0.2.1"), std::string::npos) << trace;
  EXPECT_EQ(trace.find("client.example"), std::string::npos) << trace;
  EXPECT_NE(trace.find("Received: by mx.example.org with ESMTPA id ID2"), std::string::npos)
      << trace;
  EXPECT_NE(driver.stored.at(1).envelope.client.find("192.0.2.1"), std::string::npos)
      << "the log and the queue know";
}

}  // namespace
}  // namespace postern::smtp::test

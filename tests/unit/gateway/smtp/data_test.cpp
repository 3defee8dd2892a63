// DATA: what is stored, what is refused, and when 250 is said.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

constexpr std::string_view kEnvelope = "MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n";

class SmtpData : public testing::Test {
 protected:
  explicit SmtpData(std::shared_ptr<SmtpProfile> profile = make_profile())
      : profile_(std::move(profile)), driver_(profile_) {}
  void SetUp() override { driver_.greet(); }
  // The reply to the end of the data.
  std::string send(std::string_view content) {
    EXPECT_EQ(codes(driver_.say(std::string(kEnvelope) + "DATA\r\n")), "250 250 354");
    return driver_.say(std::string(content) + ".\r\n");
  }
  std::shared_ptr<SmtpProfile> profile_;
  SmtpDriver driver_;
};

TEST_F(SmtpData, StoresTraceAndContent) {
  EXPECT_EQ(send("Subject: x\r\n\r\nhello\r\n..dot\r\n"), "250 2.6.0 ID1 queued\r\n");
  ASSERT_EQ(driver_.stored.size(), 1U);
  const StoredMessage& message = driver_.stored[0];
  EXPECT_EQ(message.content(), "Subject: x\r\n\r\nhello\r\n.dot\r\n");
  EXPECT_EQ(message.trace(),
            "Return-Path: <a@b.example>\r\n"
            "Received: from client.example ([192.0.2.1])\r\n"
            "\tby mx.example.org with ESMTP id ID1\r\n"
            "\tfor <alice@example.org>; Sat, 21 Nov 2026 14:30:00 +0000\r\n");
  EXPECT_EQ(message.octets.substr(message.relay_offset_octets, 10), "Received: ");
  EXPECT_EQ(message.size_octets, message.octets.size());
  EXPECT_EQ(message.arrival_unix_ms, driver_.now.unix_ms);
  EXPECT_EQ(message.envelope.reverse_path, "a@b.example");
  EXPECT_EQ(message.envelope.client, "192.0.2.1 client.example");
  EXPECT_EQ(driver_.events, std::vector<std::string>{"accepted ID1"});
}

TEST_F(SmtpData, EnvelopeFlagsAndSeveralRecipients) {
  driver_.say(
      "MAIL FROM:<> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<alice@example.org>\r\n"
      "RCPT TO:<bob@example.org>\r\nDATA\r\nx\r\n.\r\n");
  ASSERT_EQ(driver_.stored.size(), 1U);
  const StoredMessage& message = driver_.stored[0];
  EXPECT_TRUE(message.envelope.body_8bit);
  EXPECT_TRUE(message.envelope.smtputf8);
  EXPECT_EQ(message.envelope.reverse_path, "");
  EXPECT_EQ(message.trace().substr(0, 17), "Return-Path: <>\r\n");
  EXPECT_EQ(message.trace().find("for <"), std::string::npos) << "others stay private";
  EXPECT_NE(message.trace().find("with UTF8SMTP id"), std::string::npos);
  // The next message starts from nothing.
  driver_.say(std::string(kEnvelope) + "DATA\r\nx\r\n.\r\n");
  ASSERT_EQ(driver_.stored.size(), 2U);
  EXPECT_FALSE(driver_.stored[1].envelope.body_8bit);
  EXPECT_FALSE(driver_.stored[1].envelope.smtputf8);
  EXPECT_EQ(driver_.stored[1].id, "ID2");
}

TEST_F(SmtpData, EmptyMessage) {
  EXPECT_EQ(codes(send("")), "250");
  EXPECT_EQ(driver_.stored.at(0).content(), "");
}

TEST_F(SmtpData, AnyOctetAndLongLinesAreKept) {
  std::string line;
  for (int c = 1; c < 256; ++c) {  // NUL has a policy of its own
    if (c != '\r' && c != '\n') line += static_cast<char>(c);
  }
  const std::string content = "A: b\r\n\r\n" + line + "\r\n" + std::string(100'000, 'x') + "\r\n";
  EXPECT_EQ(codes(send(content)), "250");
  EXPECT_EQ(driver_.stored.at(0).content(), content);
}

TEST_F(SmtpData, BareNewlinesAreRefusedAtTheEnd) {
  for (const char* content :
       {"a\nb\r\n", "a\rb\r\n", "\n\r\n", "a\r\n\n.\r\nb\r\n", "a\r\n.\rb\r\n"}) {
    EXPECT_EQ(send(content), "550 5.6.11 Message holds a bare <CR> or <LF>\r\n");
  }
  // What looks like a command behind a false end of data is message text.
  EXPECT_EQ(codes(send("a\n.\nMAIL FROM:<evil@b>\r\nRCPT TO:<bob@example.org>\r\n")), "550");
  EXPECT_TRUE(driver_.stored.empty());
  EXPECT_EQ(driver_.submits, 0);
  EXPECT_EQ(codes(send("fine\r\n")), "250");
}

TEST_F(SmtpData, DisconnectSubmitsNothing) {
  driver_.say(std::string(kEnvelope) + "DATA\r\nhello\r\n.\r");
  driver_.end_of_input();
  EXPECT_EQ(driver_.submits, 0);
  EXPECT_TRUE(driver_.closed());
  ASSERT_EQ(driver_.end_reasons.size(), 1U);
  EXPECT_EQ(driver_.end_reasons[0], EndReason::client_closed);
}

TEST_F(SmtpData, NoReplyBeforeTheStoreAnswered) {
  driver_.hold_answers = true;
  EXPECT_EQ(send("x\r\n"), "");
  EXPECT_TRUE(driver_.submit_held);
  EXPECT_EQ(driver_.say("NOOP\r\n"), "") << "replies stay in order";
  EXPECT_EQ(driver_.input, "NOOP\r\n");
  driver_.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(codes(driver_.take()), "250 250");
}

TEST_F(SmtpData, StoreOutcomesBecomeReplies) {
  const std::pair<store::SpoolOutcome, std::string> expected[] = {
      {store::SpoolOutcome::store_busy, "452 4.3.1 "},
      {store::SpoolOutcome::no_space, "452 4.3.1 "},
      {store::SpoolOutcome::failed, "451 4.3.0 "},
      {store::SpoolOutcome::durable, "250 2.6.0 "},
  };
  for (const auto& [outcome, start] : expected) {
    driver_.outcome = outcome;
    EXPECT_EQ(send("x\r\n").substr(0, 10), start);
  }
  EXPECT_EQ(driver_.stored.size(), 1U);
  EXPECT_EQ(driver_.abandons, 0) << "nothing was streamed";
}

TEST_F(SmtpData, ClientGoneDuringCommitStillCommits) {
  driver_.hold_answers = true;
  send("x\r\n");
  driver_.end_of_input();
  EXPECT_FALSE(driver_.closed()) << "the store still has the message";
  driver_.answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(codes(driver_.take()), "250");
  EXPECT_TRUE(driver_.closed());
  EXPECT_EQ(driver_.stored.size(), 1U);
}

class SmtpDataLimits : public SmtpData {
 protected:
  SmtpDataLimits() : SmtpData(limited()) {}
  static std::shared_ptr<SmtpProfile> limited() {
    auto profile = make_profile();
    profile->message_octets_max = 1000;
    profile->header_octets_max = 100;
    profile->hops_max = 2;
    profile->local_hops_max = 1;
    profile->prepare_replies();
    return profile;
  }
};

TEST_F(SmtpDataLimits, MessageSize) {
  EXPECT_EQ(codes(send("\r\n" + std::string(996, 'x') + "\r\n")), "250");
  EXPECT_EQ(send("\r\n" + std::string(997, 'x') + "\r\n"), "552 5.3.4 Message too big\r\n");
  EXPECT_EQ(send("\r\n" + std::string(3'000'000, 'x') + "\r\n"), "552 5.3.4 Message too big\r\n");
  EXPECT_LE(driver_.buffered_max, 5000U);
  EXPECT_EQ(driver_.stored.size(), 1U);
}

TEST_F(SmtpDataLimits, StuffedDotsAreNotCounted) {
  std::string stuffed = "\r\n";
  for (int i = 0; i < 332; ++i) stuffed += "..\r\n";  // 996 octets stored
  EXPECT_EQ(codes(send(stuffed + "\r\n")), "250");
  EXPECT_EQ(driver_.stored.at(0).content().size(), 1000U);
}

TEST_F(SmtpDataLimits, HeaderSize) {
  EXPECT_EQ(codes(send("A: " + std::string(95, 'x') + "\r\n\r\n")), "250");
  EXPECT_EQ(send("A: " + std::string(96, 'x') + "\r\n\r\n"),
            "552 5.3.4 Message header too big\r\n");
  EXPECT_EQ(codes(send("A: " + std::string(96, 'x') + "\r\n")), "552") << "header without body";
  EXPECT_EQ(codes(send("A: b\r\n\r\n" + std::string(500, 'x') + "\r\n")), "250");
}

TEST_F(SmtpDataLimits, Hops) {
  const std::string hop = "Received: by x; d\r\n";
  EXPECT_EQ(codes(send(hop + hop + "\r\n")), "250");
  EXPECT_EQ(send(hop + hop + hop + "\r\n"), "554 5.4.6 Too many hops\r\n");
  EXPECT_EQ(codes(send(hop + hop + hop)), "554");
  EXPECT_EQ(codes(send(hop + hop + "\r\n" + hop)), "250") << "the body does not count";
}

TEST_F(SmtpDataLimits, LocalHops) {
  profile_->header_octets_max = 0;
  const std::string own = "Received: from x\r\n\tby MX.example.org with SMTP; d\r\n";
  EXPECT_EQ(codes(send(own + "\r\n")), "250");
  EXPECT_EQ(send(own + own + "\r\n"), "554 5.4.6 Mail loop: message was here too often\r\n");
  EXPECT_EQ(codes(send(own + own)), "554");
}

TEST_F(SmtpDataLimits, OwnTraceIsRecognised) {
  send("x\r\n");
  // What this server wrote, sent to it again and again.
  const std::string again = driver_.stored.at(0).trace();
  const std::string received = again.substr(again.find("Received:"));
  profile_->header_octets_max = 0;
  EXPECT_EQ(codes(send(received + "\r\n")), "250");
  EXPECT_EQ(codes(send(received + received + "\r\n")), "554");
}

TEST_F(SmtpData, ReturnPathOfTheClientStays) {
  EXPECT_EQ(codes(send("Return-Path: <other@x>\r\n\r\n")), "250");
  EXPECT_EQ(driver_.stored.at(0).content(), "Return-Path: <other@x>\r\n\r\n");
}

}  // namespace
}  // namespace postern::smtp::test

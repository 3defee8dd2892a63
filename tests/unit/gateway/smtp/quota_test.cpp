// RCPT to mailboxes with a quota: who is refused, with which words, and what that leaves alone.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

constexpr store::MailboxId kAlice{1};
constexpr store::MailboxId kBob{2};
constexpr std::string_view kFull = "452 4.2.2 Mailbox full, try again later\r\n";

class SmtpQuota : public testing::Test {
 protected:
  void SetUp() override {
    driver_.quotas.set_limit(kAlice, 1000);
    driver_.greet();
  }
  /// MAIL with these parameters, then RCPT for alice; the reply to RCPT. The transaction is reset.
  std::string rcpt(std::uint64_t used_octets, std::string_view parameters = "") {
    driver_.quotas.set_used(kAlice, used_octets);
    driver_.say("RSET\r\n");
    EXPECT_EQ(
        driver_.say("MAIL FROM:<a@b.example>" + std::string(parameters) + "\r\n").substr(0, 3),
        "250");
    return driver_.say("RCPT TO:<alice@example.org>\r\n");
  }
  SmtpDriver driver_;
};

TEST_F(SmtpQuota, ExactlyFullIsRefusedAndOneOctetLessIsNot) {
  EXPECT_EQ(rcpt(999), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt(1000), kFull);
  EXPECT_EQ(rcpt(1001), kFull);
  EXPECT_EQ(rcpt(0), "250 2.1.5 Recipient OK\r\n") << "the session goes on, and sees room at once";
  EXPECT_EQ(driver_.events, (std::vector<std::string>{"recipient alice@example.org 452",
                                                      "recipient alice@example.org 452"}));
  EXPECT_FALSE(driver_.closed());
}

TEST_F(SmtpQuota, TheDeclaredSizeMustFitWhatIsLeft) {
  EXPECT_EQ(rcpt(400, " SIZE=600"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt(400, " SIZE=601"), kFull);
  EXPECT_EQ(rcpt(400, " SIZE=0"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(rcpt(1000, " SIZE=0"), kFull);
  EXPECT_EQ(rcpt(0, " SIZE=1000"), "250 2.1.5 Recipient OK\r\n");
}

TEST_F(SmtpQuota, WhatNeverFitsIsRefusedForGood) {
  constexpr std::string_view kNever = "552 5.2.3 Message is larger than the mailbox may be\r\n";
  EXPECT_EQ(rcpt(0, " SIZE=1001"), kNever);
  EXPECT_EQ(rcpt(1000, " SIZE=1001"), kNever);
}

TEST_F(SmtpQuota, TheSizeOfOneMessageIsNotThatOfTheNext) {
  EXPECT_EQ(rcpt(400, " SIZE=601"), kFull);
  EXPECT_EQ(rcpt(400), "250 2.1.5 Recipient OK\r\n");
}

TEST_F(SmtpQuota, OthersGetTheirMail) {
  EXPECT_EQ(rcpt(1000), kFull);
  EXPECT_EQ(driver_.say("RCPT TO:<bob@example.org>\r\n"), "250 2.1.5 Recipient OK\r\n");
  EXPECT_EQ(codes(driver_.say("DATA\r\nx\r\n.\r\n")), "354 250");
  ASSERT_EQ(driver_.stored.size(), 1U);
  EXPECT_EQ(driver_.stored[0].envelope.recipients.size(), 1U);
  EXPECT_EQ(driver_.session.conversation().counters.recipients_refused, 1U);
  EXPECT_EQ(driver_.session.conversation().counters.protocol_errors, 0U);
}

TEST_F(SmtpQuota, WhatWasAcceptedIsNotRefusedLater) {
  EXPECT_EQ(rcpt(999), "250 2.1.5 Recipient OK\r\n");
  driver_.quotas.set_used(kAlice, 1000);  // another session was faster
  EXPECT_EQ(codes(driver_.say("DATA\r\n" + std::string(500, 'x') + "\r\n.\r\n")), "354 250");
  EXPECT_EQ(driver_.stored.size(), 1U);
}

TEST_F(SmtpQuota, OneFullMailboxOfSeveralRefusesTheAddress) {
  driver_.directory->list_members = {kBob, kAlice};
  driver_.quotas.set_limit(kBob, 5000);
  driver_.quotas.set_used(kAlice, 999);
  driver_.say("MAIL FROM:<a@b.example>\r\n");
  EXPECT_EQ(driver_.say("RCPT TO:<list@example.org>\r\n").substr(0, 3), "250");
  driver_.quotas.set_used(kAlice, 1000);
  EXPECT_EQ(driver_.say("RCPT TO:<list@example.org>\r\n"), kFull);
  driver_.quotas.set_used(kAlice, 0);
  driver_.quotas.set_used(kBob, 5000);
  EXPECT_EQ(driver_.say("RCPT TO:<list@example.org>\r\n"), kFull);
}

TEST_F(SmtpQuota, ARefusedRecipientCostsNothingOfTheRate) {
  driver_.recipients_left = 1;
  EXPECT_EQ(rcpt(1000), kFull);
  EXPECT_EQ(rcpt(0), "250 2.1.5 Recipient OK\r\n");
}

TEST_F(SmtpQuota, UnknownUsersAndOtherDomainsAreAnsweredAsEver) {
  EXPECT_EQ(rcpt(1000), kFull);
  EXPECT_EQ(driver_.say("RCPT TO:<nobody@example.org>\r\n").substr(0, 9), "550 5.1.1");
  EXPECT_EQ(driver_.say("RCPT TO:<x@elsewhere.example>\r\n").substr(0, 9), "550 5.7.1");
}

// A message that is held goes to the queue: what its mailbox has room for then is asked then.
TEST(SmtpQuotaHold, AHeldMessageIsTaken) {
  auto profile = make_profile();
  profile->rules.hold_max = std::chrono::hours(1);
  SmtpDriver driver(profile);
  driver.quotas.set_limit(kAlice, 1000);
  driver.quotas.set_used(kAlice, 1000);
  driver.greet();
  driver.say("AUTH PLAIN " + base64(std::string("\0alice@example.org\0secret", 25)) + "\r\n");
  ASSERT_EQ(driver.say("MAIL FROM:<alice@example.org> HOLDFOR=60\r\n").substr(0, 3), "250");
  EXPECT_EQ(driver.say("RCPT TO:<alice@example.org>\r\n"), "250 2.1.5 Recipient OK\r\n");
}

}  // namespace
}  // namespace postern::smtp::test

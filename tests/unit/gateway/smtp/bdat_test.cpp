// BDAT (RFC 3030).
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

const std::string kEnvelope = "MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n";

std::string chunk(std::string_view octets, bool last = false) {
  return "BDAT " + std::to_string(octets.size()) + (last ? " LAST\r\n" : "\r\n") +
         std::string(octets);
}

class SmtpBdat : public testing::Test {
 protected:
  explicit SmtpBdat(std::shared_ptr<SmtpProfile> profile = make_profile())
      : driver_(std::move(profile)) {}
  void SetUp() override { driver_.greet(); }
  SmtpDriver driver_;
};

TEST_F(SmtpBdat, OneChunk) {
  EXPECT_EQ(driver_.say(kEnvelope + chunk("A: b\r\n\r\n.\r\n..x\r\n", true)),
            "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.6.0 ID1 queued\r\n");
  EXPECT_EQ(driver_.stored.at(0).content(), "A: b\r\n\r\n.\r\n..x\r\n") << "no dots are removed";
}

TEST_F(SmtpBdat, ManyChunksPipelined) {
  EXPECT_EQ(driver_.say(kEnvelope + chunk("A: b\r") + chunk("\n\r\nx") + chunk("\r\n") +
                        "bdat 0\r\nBDAT 0   last\r\nNOOP\r\n"),
            "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
            "250 2.0.0 5 octets received\r\n250 2.0.0 4 octets received\r\n"
            "250 2.0.0 2 octets received\r\n250 2.0.0 0 octets received\r\n"
            "250 2.6.0 ID1 queued\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(driver_.stored.at(0).content(), "A: b\r\n\r\nx\r\n");
}

TEST_F(SmtpBdat, EmptyMessageAndMissingLineEnd) {
  EXPECT_EQ(codes(driver_.say(kEnvelope + "BDAT 0 LAST\r\n")), "250 250 250");
  EXPECT_EQ(driver_.stored.at(0).content(), "");
  driver_.say(kEnvelope + chunk("\r\nno line end", true));
  EXPECT_EQ(driver_.stored.at(1).content(), "\r\nno line end\r\n");
}

TEST_F(SmtpBdat, OutOfOrderChunksAreReadAndRefused) {
  EXPECT_EQ(codes(driver_.say(chunk("QUIT\r\n") + "NOOP\r\n")), "503 250");
  driver_.say("MAIL FROM:<a@b.example>\r\n");
  EXPECT_EQ(driver_.say(chunk("QUIT\r\n", true)), "554 5.5.1 No valid recipients\r\n");
  EXPECT_FALSE(driver_.closed());
  EXPECT_EQ(codes(driver_.say("RCPT TO:<alice@example.org>\r\n" + chunk("x\r\n", true))), "250 250")
      << "the transaction is still open";
}

TEST_F(SmtpBdat, OnlyBdatAndResetMayFollow) {
  driver_.say(kEnvelope + chunk("a\r\n"));
  for (const char* command : {"DATA", "RCPT TO:<bob@example.org>"}) {
    EXPECT_EQ(driver_.say(std::string(command) + "\r\n"),
              "503 5.5.1 Only BDAT or RSET may follow BDAT\r\n");
  }
  EXPECT_EQ(codes(driver_.say("MAIL FROM:<a@b>\r\n")), "503");
  EXPECT_EQ(codes(driver_.say("NOOP\r\n")), "250");
  EXPECT_EQ(codes(driver_.say("RSET\r\n")), "250");
  EXPECT_EQ(codes(driver_.say(chunk("b\r\n", true))), "503");
  EXPECT_EQ(driver_.submits, 0);
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("c\r\n", true))), "250 250 250");
  EXPECT_EQ(driver_.stored.at(0).content(), "c\r\n");
}

TEST_F(SmtpBdat, BadSizesEndTheSession) {
  for (const char* arguments :
       {"", " x", " -1", " 1 LASTX", " 1 LAST x", " 99999999999999999999", " 1x", " LAST"}) {
    SmtpDriver driver;
    driver.greet();
    driver.say(kEnvelope);
    EXPECT_EQ(driver.say("BDAT" + std::string(arguments) + "\r\nNOOP\r\n").substr(0, 10),
              "501 5.5.4 ")
        << arguments;
    EXPECT_TRUE(driver.closed());
    ASSERT_EQ(driver.end_reasons.size(), 1U);
    EXPECT_EQ(driver.end_reasons[0], EndReason::bad_chunk);
  }
}

TEST_F(SmtpBdat, BareNewlinesAreRefused) {
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("a\nb\r\n", true))), "250 250 550");
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("a\rb\r\n", true))), "250 250 550");
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("ab\r", true))), "250 250 550");
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("a\r") + chunk("b\r\n", true))), "250 250 250 550");
  EXPECT_EQ(driver_.submits, 0);
}

TEST_F(SmtpBdat, FailureStandsUntilTheEnd) {
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("a\nb") + chunk("c\r\n") + chunk("d\r\n", true) +
                              chunk("e\r\n", true))),
            "250 250 550 550 550 503");
  EXPECT_EQ(driver_.events, std::vector<std::string>{"refused ID1 550"});
}

TEST_F(SmtpBdat, StoreOutcomes) {
  driver_.outcome = store::SpoolOutcome::no_space;
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("a\r\n", true))), "250 250 452");
  driver_.outcome = store::SpoolOutcome::failed;
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("a\r\n", true))), "250 250 451");
}

TEST_F(SmtpBdat, DisconnectBetweenChunksSubmitsNothing) {
  driver_.say(kEnvelope + chunk("a\r\n"));
  driver_.end_of_input();
  EXPECT_TRUE(driver_.closed());
  EXPECT_EQ(driver_.submits + driver_.abandons, 0);
}

class SmtpBdatLimits : public SmtpBdat {
 protected:
  SmtpBdatLimits() : SmtpBdat(limited()) {}
  static std::shared_ptr<SmtpProfile> limited() {
    auto profile = make_profile();
    profile->message_octets_max = 100;
    profile->header_octets_max = 50;
    profile->hops_max = 1;
    return profile;
  }
};

TEST_F(SmtpBdatLimits, ApplyAtTheLastChunk) {
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("\r\n" + std::string(99, 'x'), true))),
            "250 250 552");
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("A: " + std::string(60, 'x') + "\r\n", true))),
            "250 250 552");
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("Received: a\r\nReceived: b\r\n", true))),
            "250 250 554");
  EXPECT_EQ(codes(driver_.say(kEnvelope + chunk("Received: a\r\nRece") + chunk("ived: b", true))),
            "250 250 250 554");
  EXPECT_EQ(driver_.submits, 0);
}

TEST_F(SmtpBdatLimits, HugeChunkIsSwallowed) {
  driver_.say(kEnvelope + "BDAT 10000000 LAST\r\n");
  const std::string block(100'000, 'x');
  for (int i = 0; i < 99; ++i) EXPECT_EQ(driver_.say(block), "");
  EXPECT_EQ(driver_.say(block + "NOOP\r\n"), "552 5.3.4 Message too big\r\n250 2.0.0 OK\r\n");
  EXPECT_LE(driver_.buffered_max, 1000U);
}

}  // namespace
}  // namespace postern::smtp::test

// Parameters of MAIL and RCPT that the envelope keeps: DSN, REQUIRETLS, FUTURERELEASE,
// MT-PRIORITY, DELIVERBY, BINARYMIME; when they are offered, and what is wrong with them.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using std::string_literals::operator""s;
using store::EnvelopeOptions;

const std::string kLogin = "AUTH PLAIN " + base64("\0alice@example.org\0secret"s) + "\r\n";
constexpr std::int64_t kNow = 1'795'271'400'000;  // the driver's clock: 2026-11-21T14:30:00Z

std::shared_ptr<SmtpProfile> profile_with_all() {
  auto profile = make_profile();
  profile->rules.dsn = true;
  profile->rules.require_tls = true;
  profile->rules.mt_priority = true;
  profile->rules.deliver_by = true;
  profile->rules.hold_max = std::chrono::hours(24);
  profile->prepare_replies();
  return profile;
}

class Extensions : public testing::Test {
 protected:
  void SetUp() override {
    driver_.greet();
    driver_.say(kLogin);
  }
  // The answer to MAIL with the parameters, and what the envelope then has.
  std::string mail(const std::string& parameters) {
    driver_.say("RSET\r\n");
    return driver_.say("MAIL FROM:<alice@example.org> " + parameters + "\r\n");
  }
  std::string rcpt(const std::string& parameters) {
    return driver_.say("RCPT TO:<bob@example.org> " + parameters + "\r\n");
  }
  const store::Envelope& envelope() { return driver_.session.conversation().message->envelope; }
  void accepts(const std::string& parameters, const EnvelopeOptions& options) {
    EXPECT_EQ(mail(parameters), "250 2.1.0 Sender OK\r\n") << parameters;
    EXPECT_EQ(envelope().options, options) << parameters;
  }
  SmtpDriver driver_{profile_with_all()};
};

TEST_F(Extensions, AreAdvertised) {
  const std::string reply = driver_.say("EHLO c\r\n");
  for (const char* line :
       {"250-DSN\r\n", "250-MT-PRIORITY\r\n", "250-DELIVERBY\r\n", "250-BINARYMIME\r\n",
        "250-FUTURERELEASE 86400 2026-11-22T14:30:00Z\r\n", "250-LIMITS RCPTMAX=200\r\n"}) {
    EXPECT_NE(reply.find(line), std::string::npos) << line << reply;
  }
  EXPECT_EQ(reply.find("REQUIRETLS"), std::string::npos) << "not outside TLS";
  driver_.say("STARTTLS\r\n");
  driver_.tls();
  EXPECT_NE(driver_.say("EHLO c\r\n").find("250-REQUIRETLS\r\n"), std::string::npos);
}

TEST(ExtensionsOff, AreNeitherAdvertisedNorKnown) {
  auto profile = make_profile();
  profile->rules.binarymime = false;
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.open();
  const std::string reply = driver.say("EHLO c\r\n");
  for (const char* word : {"DSN", "PRIORITY", "DELIVERBY", "BINARY", "FUTURE", "REQUIRETLS"}) {
    EXPECT_EQ(reply.find(word), std::string::npos) << word;
  }
  for (const char* parameter : {"RET=FULL", "ENVID=x", "MT-PRIORITY=0", "BY=9;N", "HOLDFOR=9",
                                "HOLDUNTIL=2026-11-21T15:30:00Z", "REQUIRETLS"}) {
    EXPECT_EQ(driver.say("MAIL FROM:<a@b> " + std::string(parameter) + "\r\n"),
              "555 5.5.4 Parameter not recognized\r\n");
  }
  EXPECT_EQ(codes(driver.say("MAIL FROM:<a@b> BODY=BINARYMIME\r\n")), "501");
}

TEST_F(Extensions, DsnOfAMessage) {
  accepts("RET=FULL", {.dsn_return = store::DsnReturn::full});
  accepts("ret=hdrs ENVID=QQ+2B314159",
          {.dsn_return = store::DsnReturn::headers, .envelope_id = "QQ+2B314159"});
  accepts("ENVID=" + std::string(100, 'x'), {.envelope_id = std::string(100, 'x')});
  for (const std::string& bad : {"RET=ALL"s, "RET"s, "RET=FULL RET=FULL"s, "ENVID"s, "ENVID=a+2"s,
                                 "ENVID=a+2b"s, "ENVID=" + std::string(101, 'x')}) {
    EXPECT_EQ(mail(bad).substr(0, 9), "501 5.5.4") << bad;
  }
}

TEST_F(Extensions, DsnOfARecipient) {
  mail("SMTPUTF8");
  const auto accepted = [&](const std::string& parameters, const store::RecipientOptions& wanted) {
    EXPECT_EQ(rcpt(parameters), "250 2.1.5 Recipient OK\r\n") << parameters;
    EXPECT_EQ(envelope().recipients.back().options, wanted) << parameters;
  };
  accepted("", {});
  accepted("NOTIFY=NEVER", {.notify = store::kNotifyNever, .orcpt = ""});
  accepted("notify=success,DELAY,failure ORCPT=rfc822;Bob+40x@example.org",
           {.notify = store::kNotifySuccess | store::kNotifyDelay | store::kNotifyFailure,
            .orcpt = "rfc822;Bob+40x@example.org"});
  accepted("ORCPT=utf-8;j\xc3\xbcrgen@x", {.notify = 0, .orcpt = "utf-8;j\xc3\xbcrgen@x"});
  accepted("ORCPT=utf-8;j\\x{FC}rgen@x", {.notify = 0, .orcpt = "utf-8;j\\x{FC}rgen@x"});
  for (const std::string& bad :
       {"NOTIFY"s, "NOTIFY="s, "NOTIFY=NEVER,FAILURE"s, "NOTIFY=SUCCESS,"s,
        "NOTIFY=SUCCESS,SUCCESS"s, "NOTIFY=SOMETIMES"s, "NOTIFY=DELAY NOTIFY=DELAY"s, "ORCPT"s,
        "ORCPT=x"s, "ORCPT=;x"s, "ORCPT=rfc822;"s, "ORCPT=rfc822;a+2"s, "ORCPT=rfc822;\xc3\xbc"s,
        "ORCPT=r/c;x"s, "ORCPT=rfc822;" + std::string(500, 'x'),
        "ORCPT=rfc822;x ORCPT=rfc822;x"s}) {
    EXPECT_EQ(rcpt(bad).substr(0, 9), "501 5.5.4") << bad;
  }
  EXPECT_EQ(rcpt("FOO=x").substr(0, 9), "555 5.5.4");
  EXPECT_EQ(envelope().recipients.size(), 5U);
  mail("");
  EXPECT_EQ(codes(rcpt("ORCPT=utf-8;j\xc3\xbcrgen@x")), "501") << "not without SMTPUTF8";
}

TEST_F(Extensions, Priority) {
  accepts("MT-PRIORITY=9", {.priority = 9});
  accepts("MT-PRIORITY=-9", {.priority = -9});
  accepts("MT-PRIORITY=0", {});
  for (const char* bad : {"MT-PRIORITY", "MT-PRIORITY=", "MT-PRIORITY=10", "MT-PRIORITY=+1",
                          "MT-PRIORITY=-0", "MT-PRIORITY=01", "MT-PRIORITY=-"}) {
    EXPECT_EQ(mail(bad).substr(0, 9), "501 5.5.4") << bad;
  }
  SmtpDriver stranger(profile_with_all());
  stranger.greet();
  EXPECT_EQ(stranger.say("MAIL FROM:<a@b> MT-PRIORITY=4\r\n"),
            "250 2.3.6 Sender OK, priority is 0\r\n");
  EXPECT_EQ(stranger.session.conversation().message->envelope.options.priority, 0);
  EXPECT_EQ(stranger.say("RSET\r\nMAIL FROM:<a@b> MT-PRIORITY=-4\r\n"),
            "250 2.0.0 Reset\r\n250 2.1.0 Sender OK\r\n");
  EXPECT_EQ(stranger.session.conversation().message->envelope.options.priority, -4);
}

TEST_F(Extensions, DeliverBy) {
  using enum store::DeliverByMode;
  accepts("BY=120;R", {.deliver_by_mode = return_to_sender, .deliver_by_unix_ms = kNow + 120'000});
  accepts(
      "by=+120;nT",
      {.deliver_by_mode = notify, .deliver_by_trace = true, .deliver_by_unix_ms = kNow + 120'000});
  accepts("BY=-5;N", {.deliver_by_mode = notify, .deliver_by_unix_ms = kNow - 5'000});
  accepts("BY=999999999;N",
          {.deliver_by_mode = notify, .deliver_by_unix_ms = kNow + 999'999'999'000});
  for (const char* bad : {"BY", "BY=", "BY=5", "BY=5;", "BY=5;X", "BY=5;RX", "BY=5;RTT", "BY=0;R",
                          "BY=-5;R", "BY=;R", "BY=1234567890;N", "BY=5;N BY=5;N"}) {
    EXPECT_EQ(mail(bad).substr(0, 9), "501 5.5.4") << bad;
  }
}

TEST_F(Extensions, FutureRelease) {
  accepts("HOLDFOR=86400", {.hold_until_unix_ms = kNow + 86'400'000});
  accepts("HOLDUNTIL=2026-11-21T15:30:00Z", {.hold_until_unix_ms = kNow + 3'600'000});
  accepts("HOLDUNTIL=2026-11-21T15:30:00.5+00:30", {.hold_until_unix_ms = kNow + 1'800'000});
  accepts("HOLDFOR=60 BY=61;R", {.deliver_by_mode = store::DeliverByMode::return_to_sender,
                                 .deliver_by_unix_ms = kNow + 61'000,
                                 .hold_until_unix_ms = kNow + 60'000});
  for (const char* bad :
       {"HOLDFOR", "HOLDFOR=", "HOLDFOR=0", "HOLDFOR=-1", "HOLDFOR=86401", "HOLDFOR=1234567890",
        "HOLDFOR=60 HOLDFOR=60", "HOLDFOR=60 HOLDUNTIL=2026-11-21T15:30:00Z",
        "HOLDUNTIL=2026-11-21T15:30:00Z HOLDFOR=60", "HOLDUNTIL=2026-11-21T14:30:00Z",
        "HOLDUNTIL=2026-11-22T14:30:01Z", "HOLDUNTIL=tomorrow", "HOLDFOR=60 BY=60;N"}) {
    EXPECT_EQ(mail(bad).substr(0, 9), "501 5.5.4") << bad;
  }
  // Everybody waits in the queue, also those with a mailbox here.
  mail("HOLDFOR=60");
  EXPECT_EQ(codes(rcpt("")), "250");
  EXPECT_TRUE(envelope().recipients.at(0).mailboxes.empty());
  EXPECT_EQ(codes(driver_.say("RCPT TO:<nobody@example.org>\r\n")), "550") << "still looked up";
  mail("");
  rcpt("");
  EXPECT_FALSE(envelope().recipients.at(0).mailboxes.empty());
  SmtpDriver stranger(profile_with_all());
  stranger.greet();
  EXPECT_EQ(stranger.say("MAIL FROM:<a@b> HOLDFOR=60\r\n").substr(0, 9), "530 5.7.0");
}

TEST_F(Extensions, RequireTlsInsideTlsOnly) {
  EXPECT_EQ(mail("REQUIRETLS").substr(0, 9), "555 5.5.4");
  driver_.say("STARTTLS\r\n");
  driver_.tls();
  driver_.say("EHLO c\r\n" + kLogin);
  accepts("REQUIRETLS", {.require_tls = true});
  EXPECT_EQ(codes(mail("REQUIRETLS=x")), "501");
  accepts("", {});
}

TEST_F(Extensions, BinaryMimeNeedsBdat) {
  accepts("BODY=BINARYMIME", {.body_binary = true});
  EXPECT_TRUE(envelope().body_8bit);
  rcpt("");
  EXPECT_EQ(driver_.say("DATA\r\n"), "503 5.5.1 BODY=BINARYMIME needs BDAT\r\n");
  const std::string message = "A: b\r\n\r\n\0\r\n\n\r.\r\n"s;
  EXPECT_EQ(codes(driver_.say("BDAT " + std::to_string(message.size()) + "\r\n" + message +
                              "BDAT 1 LAST\r\n\r")),
            "250 250");
  EXPECT_EQ(driver_.stored.at(0).content(), message + "\r\n");
  EXPECT_TRUE(driver_.stored.at(0).envelope.options.body_binary);
  mail("");
  rcpt("");
  EXPECT_EQ(codes(driver_.say("BDAT " + std::to_string(message.size()) + " LAST\r\n" + message)),
            "550")
      << "the next message is text again";
}

TEST(DateTime, IsReadAsRfc3339HasIt) {
  EXPECT_EQ(parse_date_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_date_time("2026-11-21T14:30:00Z"), kNow);
  EXPECT_EQ(parse_date_time("2026-11-21T16:30:00+02:00"), kNow);
  EXPECT_EQ(parse_date_time("2026-11-21T09:00:00.123456-05:30"), kNow);
  EXPECT_EQ(parse_date_time("2024-02-29T23:59:60Z"), parse_date_time("2024-03-01T00:00:00Z"));
  for (const char* bad :
       {"", "2026", "2026-11-21", "2026-11-21T14:30:00", "2026-11-21t14:30:00Z",
        "2026-11-21T14:30:00z", "2026-13-21T14:30:00Z", "2026-02-29T14:30:00Z",
        "2026-11-21T24:30:00Z", "2026-11-21T14:60:00Z", "2026-11-21T14:30:61Z",
        "2026-11-21T14:30:00.Z", "2026-11-21T14:30:00+0200", "2026-11-21T14:30:00+24:00",
        "2026-11-21T14:30:00+02:60", "2026-11-21T14:30:00Zx", "20a6-11-21T14:30:00Z",
        "2026-11-21T14:30:00+02:0", "2026-11-21 14:30:00Z"}) {
    EXPECT_EQ(parse_date_time(bad), std::nullopt) << bad;
  }
  std::string text;
  append_date_time(text, kNow + 999);
  EXPECT_EQ(text, "2026-11-21T14:30:00Z");
}

}  // namespace
}  // namespace postern::smtp::test

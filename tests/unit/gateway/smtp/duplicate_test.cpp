// A message that is sent again is answered and not stored again (the client lost the first answer).
#include <gtest/gtest.h>
#include <thread>

#include "gateway/duplicate_table.hpp"
#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

using gateway::DuplicateTable;
using std::string_literals::operator""s;

const std::string kLogin = "AUTH PLAIN " + base64("\0alice@example.org\0secret"s) + "\r\n";
const std::string kEnvelope = "MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\n";
const std::string kMail = "Message-ID: <1@client>\r\nSubject: x\r\n\r\nbody\r\n";

std::shared_ptr<SmtpProfile> remembering_profile() {
  auto profile = make_profile();
  profile->rules.duplicate_window = std::chrono::minutes(15);
  return profile;
}

class Duplicates : public testing::Test {
 protected:
  // A session of its own, with ids of its own: "<tag>1", "<tag>2" ...
  std::unique_ptr<SmtpDriver> connect(bool login = true) {
    auto driver = std::make_unique<SmtpDriver>(remembering_profile(), &table_);
    driver->now.mono = now_;
    driver->ids.count = 100 * ++sessions_;
    driver->greet();
    if (login) driver->say(kLogin);
    driver->events.clear();
    return driver;
  }
  static std::string send(SmtpDriver& driver, const std::string& mail,
                          const std::string& envelope = kEnvelope) {
    driver.say(envelope);
    return driver.say("BDAT " + std::to_string(mail.size()) + " LAST\r\n" + mail);
  }
  DuplicateTable table_{1000, 42};
  MonoTime now_ = MonoTime(std::chrono::hours(1));
  int sessions_ = 0;
};

TEST_F(Duplicates, TheSecondGetsTheFirstOnesId) {
  const auto first = connect();
  EXPECT_EQ(send(*first, kMail), "250 2.6.0 ID101 queued\r\n");
  const auto second = connect();
  EXPECT_EQ(send(*second, kMail), "250 2.6.0 ID101 queued\r\n");
  EXPECT_EQ(second->stored.size(), 0U);
  EXPECT_EQ(second->events, std::vector<std::string>{"repeated ID201 ID101"});
  // With DATA as well, and the session goes on.
  second->say(kEnvelope + "DATA\r\n");
  EXPECT_EQ(second->say(kMail + ".\r\n"), "250 2.6.0 ID101 queued\r\n");
  EXPECT_EQ(send(*second, "Message-ID: <2@client>\r\n\r\n"), "250 2.6.0 ID203 queued\r\n");
  EXPECT_EQ(second->stored.size(), 1U);
}

TEST_F(Duplicates, AnyDifferenceMakesItAnotherMessage) {
  const auto session = connect();
  send(*session, kMail);
  const std::string other_content = kMail + "x\r\n";
  const std::string other_id = "Message-ID: <2@client>\r\nSubject: x\r\n\r\nbody\r\n";
  send(*session, other_content);
  send(*session, other_id);
  send(*session, kMail, "MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n");
  send(*session, kMail, kEnvelope + "RCPT TO:<alice@example.org>\r\n");
  send(*session, kMail, "MAIL FROM:<alice@example.org>\r\nRCPT TO:<alice@example.org>\r\n");
  EXPECT_EQ(session->stored.size(), 6U);
  const auto stranger = connect(false);
  send(*stranger, kMail);
  EXPECT_EQ(stranger->stored.size(), 1U) << "another identity";
  send(*stranger, kMail);
  EXPECT_EQ(stranger->stored.size(), 1U) << "the same address";
}

TEST_F(Duplicates, OtherOptionsMakeItAnotherMessage) {
  auto profile = remembering_profile();
  profile->rules.dsn = profile->rules.mt_priority = profile->rules.deliver_by = true;
  profile->rules.require_tls = profile->rules.binarymime = true;
  profile->rules.hold_max = std::chrono::hours(24);
  profile->prepare_replies();
  SmtpDriver session(profile, &table_);
  session.greet();
  session.say("STARTTLS\r\n");
  session.tls();
  session.say("EHLO c\r\n" + kLogin);
  const std::string until = " HOLDUNTIL=2026-11-21T23:00:00Z";
  const std::pair<std::string, std::string> options[] = {
      {"", ""},
      {" HOLDFOR=600", ""},
      {" HOLDFOR=601", ""},
      {until, ""},
      {" BODY=8BITMIME", ""},
      {" BODY=BINARYMIME", ""},
      {" SMTPUTF8", ""},
      {" REQUIRETLS", ""},
      {" MT-PRIORITY=3", ""},
      {" BY=600;R", ""},
      {" BY=600;N", ""},
      {" BY=600;NT", ""},
      {" BY=700;N", ""},
      {" RET=FULL", ""},
      {" RET=HDRS", ""},
      {" ENVID=a", ""},
      {"", " NOTIFY=NEVER"},
      {"", " NOTIFY=SUCCESS"},
      {"", " ORCPT=rfc822;b@x.example"},
  };
  session.now.unix_ms = *parse_date_time("2026-11-21T22:00:00Z");
  for (int round = 0; round < 2; ++round) {
    for (const auto& [mail, rcpt] : options) {
      send(
          session, kMail,
          "MAIL FROM:<alice@example.org>" + mail + "\r\nRCPT TO:<bob@example.org>" + rcpt + "\r\n");
    }
    EXPECT_EQ(session.stored.size(), std::size(options)) << "round " << round;
    session.pass(std::chrono::minutes(1));  // what is sent again says the same words later
    session.now.unix_ms += 60'000;
  }
}

// Two mails of one content can be two mails, when no Message-ID says that they are one.
TEST_F(Duplicates, WithoutAMessageIdNothingIsRepeated) {
  const auto session = connect();
  send(*session, "Subject: alarm\r\n\r\n");
  send(*session, "Subject: alarm\r\n\r\n");
  send(*session, "\r\nMessage-ID: <in the body@x>\r\n");
  send(*session, "\r\nMessage-ID: <in the body@x>\r\n");
  EXPECT_EQ(session->stored.size(), 4U);
}

TEST_F(Duplicates, WindowEnds) {
  const auto session = connect();
  send(*session, kMail);
  now_ += std::chrono::minutes(15) - std::chrono::milliseconds(1);
  send(*connect(), kMail);
  EXPECT_EQ(send(*connect(), kMail), "250 2.6.0 ID101 queued\r\n");
  now_ += std::chrono::milliseconds(1);
  EXPECT_EQ(send(*connect(), kMail), "250 2.6.0 ID401 queued\r\n");
}

TEST_F(Duplicates, AMessageThatWasNotStoredIsNotRemembered) {
  const auto session = connect();
  for (const store::SpoolOutcome outcome :
       {store::SpoolOutcome::store_busy, store::SpoolOutcome::failed}) {
    session->outcome = outcome;
    EXPECT_EQ(send(*session, kMail)[0], '4');
  }
  session->outcome = store::SpoolOutcome::durable;
  EXPECT_EQ(send(*session, kMail), "250 2.6.0 ID103 queued\r\n");
}

TEST_F(Duplicates, TheSecondWaitsForTheFirst) {
  const auto first = connect();
  const auto second = connect();
  first->hold_answers = true;
  EXPECT_EQ(send(*first, kMail), "");
  EXPECT_EQ(send(*second, kMail), "");
  EXPECT_EQ(second->session.conversation().wait, Wait::duplicate);
  EXPECT_EQ(second->say("NOOP\r\n"), "") << "commands wait for the answer";
  second->pass(std::chrono::seconds(1));
  EXPECT_EQ(second->take(), "");
  first->answer_submit(store::SpoolOutcome::durable);
  EXPECT_EQ(first->take(), "250 2.6.0 ID101 queued\r\n");
  second->pass(std::chrono::milliseconds(20));
  EXPECT_EQ(second->take(), "250 2.6.0 ID101 queued\r\n250 2.0.0 OK\r\n");
  EXPECT_EQ(second->submits, 0);
}

TEST_F(Duplicates, WhenTheFirstFailsTheSecondIsStored) {
  const auto first = connect();
  const auto second = connect();
  first->hold_answers = true;
  send(*first, kMail);
  send(*second, kMail);
  first->answer_submit(store::SpoolOutcome::failed);
  second->pass(std::chrono::milliseconds(20));
  EXPECT_EQ(second->take(), "250 2.6.0 ID201 queued\r\n");
  EXPECT_EQ(send(*first, kMail), "250 2.6.0 ID201 queued\r\n");
}

TEST_F(Duplicates, WaitingEnds) {
  const auto first = connect();
  first->hold_answers = true;
  send(*first, kMail);
  const auto patient = connect();
  send(*patient, kMail);
  patient->pass(std::chrono::seconds(29));
  EXPECT_EQ(patient->take(), "");
  patient->pass(std::chrono::seconds(2));
  EXPECT_EQ(patient->take(), "451 4.3.0 The same message is being stored, try again later\r\n");
  EXPECT_EQ(codes(patient->say("NOOP\r\n")), "250");
  const auto gone = connect();
  send(*gone, kMail);
  gone->end_of_input();
  EXPECT_TRUE(gone->closed());
  const auto stopping = connect();
  send(*stopping, kMail);
  stopping->shut_down();
  EXPECT_FALSE(stopping->closed()) << "the answer is still to come";
  first->answer_submit(store::SpoolOutcome::durable);
  stopping->pass(std::chrono::milliseconds(20));
  EXPECT_EQ(codes(stopping->take()), "250 421");
}

TEST_F(Duplicates, ALargeMessageLeavesNothingInTheStore) {
  std::string mail = kMail;
  while (mail.size() < 2'500'000) mail += std::string(1000, 'x') + "\r\n";
  const auto first = connect();
  EXPECT_EQ(codes(send(*first, mail)), "250");
  const auto second = connect();
  EXPECT_EQ(send(*second, mail), "250 2.6.0 ID101 queued\r\n");
  EXPECT_EQ(second->stored.size(), 0U);
  EXPECT_EQ(second->abandons, 1) << "its leading chunks";
}

TEST(ContentDigestTest, SplitsDoNotMatterAndFieldsDo) {
  std::string octets;
  for (int i = 0; i < 100; ++i) octets.push_back(static_cast<char>(i * 7));
  const auto of = [](std::initializer_list<std::string_view> pieces) {
    ContentDigest digest;
    digest.start(1);
    for (const std::string_view piece : pieces) digest.feed(piece);
    return digest.finish();
  };
  const std::string_view view(octets);
  for (std::size_t at = 0; at <= octets.size(); ++at) {
    EXPECT_EQ(of({view.substr(0, at), view.substr(at)}), of({view}));
    if (at > 0) {
      std::string changed = octets;
      changed[at - 1] ^= 1;
      const Fingerprint other = of({changed});
      EXPECT_NE(other.high, of({view}).high);
      EXPECT_NE(other.low, of({view}).low);
    }
    EXPECT_NE(of({view.substr(0, at)}), of({view, "x"}));
  }
  EXPECT_NE(of({"a"}), of({std::string_view("a\0", 2)})) << "the padding is not content";
  ContentDigest one, other, seeded;
  one.start(1), other.start(1), seeded.start(2);
  one.feed_field("ab"), one.feed_field("c");
  other.feed_field("a"), other.feed_field("bc");
  seeded.feed_field("ab"), seeded.feed_field("c");
  const Fingerprint fields = one.finish();
  EXPECT_NE(fields, other.finish());
  EXPECT_NE(fields, seeded.finish());
}

TEST(DuplicateTableTest, ForgetsTheOldestWhenItIsFull) {
  DuplicateTable table(5, 1);  // one bucket
  Now now{.mono = MonoTime(std::chrono::hours(1))};
  std::string id;
  for (std::uint64_t i = 0; i < 6; ++i) {
    id = "ID" + std::to_string(i);
    ASSERT_EQ(table.claim({.high = i, .low = 0}, id, now), DuplicateMemory::Claim::fresh);
    table.remember({.high = i, .low = 0}, id, now, std::chrono::minutes(1));
    now.mono += std::chrono::seconds(1);
  }
  EXPECT_EQ(table.claim({.high = 1, .low = 0}, id, now), DuplicateMemory::Claim::repeated);
  EXPECT_EQ(id, "ID1");
  EXPECT_EQ(table.claim({.high = 0, .low = 0}, id, now), DuplicateMemory::Claim::fresh);
}

TEST(DuplicateTableTest, ClaimsAreNeverDrivenOut) {
  DuplicateTable table(5, 1);
  const Now now{.mono = MonoTime(std::chrono::hours(1))};
  std::string id = "x";
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_EQ(table.claim({.high = i, .low = 0}, id, now), DuplicateMemory::Claim::fresh);
  }
  EXPECT_EQ(table.claim({.high = 9, .low = 0}, id, now), DuplicateMemory::Claim::fresh);
  table.remember({.high = 9, .low = 0}, id, now,
                 std::chrono::minutes(1));  // had no room: no effect
  table.release({.high = 9, .low = 0}, id);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(table.claim({.high = i, .low = 0}, id, now), DuplicateMemory::Claim::in_flight);
  }
  const Now late{.mono = now.mono + DuplicateTable::kClaimLifetime};
  EXPECT_EQ(table.claim({.high = 1, .low = 0}, id, late), DuplicateMemory::Claim::fresh);
}

// Who found no room, or took too long, settles nobody else's claim of the same message.
TEST(DuplicateTableTest, OnlyTheOneWhoClaimedSettles) {
  DuplicateTable table(5, 1);
  Now now{.mono = MonoTime(std::chrono::hours(1))};
  const Fingerprint message{.high = 9, .low = 0};
  std::string filler = "filler";
  for (std::uint64_t i = 0; i < 5; ++i) table.claim({.high = i, .low = 0}, filler, now);
  std::string first = "first";
  ASSERT_EQ(table.claim(message, first, now), DuplicateMemory::Claim::fresh) << "without an entry";
  table.release({.high = 0, .low = 0}, filler);
  std::string second = "second";
  ASSERT_EQ(table.claim(message, second, now), DuplicateMemory::Claim::fresh);
  std::string third = "third";
  table.release(message, first);
  EXPECT_EQ(table.claim(message, third, now), DuplicateMemory::Claim::in_flight);
  table.remember(message, first, now, std::chrono::minutes(1));
  EXPECT_EQ(table.claim(message, third, now), DuplicateMemory::Claim::in_flight);
  // The second is given up, and comes back when the third has claimed.
  now.mono += DuplicateTable::kClaimLifetime;
  ASSERT_EQ(table.claim(message, third, now), DuplicateMemory::Claim::fresh);
  table.release(message, second);
  table.remember(message, third, now, std::chrono::minutes(1));
  std::string fourth = "fourth";
  EXPECT_EQ(table.claim(message, fourth, now), DuplicateMemory::Claim::repeated);
  EXPECT_EQ(fourth, "third");
}

// On several cores at the same time: of each message one copy is stored.
TEST(DuplicateTableTest, OneOfManyCoresWins) {
  DuplicateTable table(4096, 1);
  constexpr std::uint64_t kMessages = 2000;
  std::array<std::atomic<int>, kMessages> stored{};
  const auto core = [&](std::uint32_t index) {
    const Now now{.mono = MonoTime(std::chrono::hours(1))};
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      const Fingerprint message{.high = i, .low = i * 0x9E3779B97F4A7C15};
      std::string id = std::to_string(index);
      DuplicateMemory::Claim claim{};
      while ((claim = table.claim(message, id, now)) == DuplicateMemory::Claim::in_flight) {
        std::this_thread::yield();
      }
      if (claim != DuplicateMemory::Claim::fresh) continue;
      if (index == 0 && i % 3 == 0) {  // a commit that failed
        table.release(message, id);
        continue;
      }
      stored[i].fetch_add(1);
      table.remember(message, id, now, std::chrono::minutes(1));
    }
  };
  {
    std::vector<std::jthread> cores;
    for (std::uint32_t i = 0; i < 4; ++i) cores.emplace_back(core, i);
  }
  int once = 0;
  for (const std::atomic<int>& count : stored) once += count.load() == 1;
  EXPECT_EQ(once, static_cast<int>(kMessages));
}

}  // namespace
}  // namespace postern::smtp::test

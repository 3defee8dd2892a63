// Login penalties: they grow, they are one for all connections, they spare who was here before.
#include "gateway/policy/login_guard.hpp"

#include <gtest/gtest.h>
#include <vector>

#include "gateway/policy/gateway_policy.hpp"
#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class Logins : public ::testing::Test {
 protected:
  static KeyedDigest digest(std::uint64_t kind, std::uint64_t number) {
    return {.high = kind << 32 | number, .low = number};
  }
  LoginGuard::Attempt begin(std::uint64_t source, std::uint64_t account) {
    return guard.begin(digest(1, source), digest(2, account), digest(3, source * 1000 + account),
                       now);
  }
  /// How long the answer to a login waits.
  Duration login(std::uint64_t source, std::uint64_t account, bool right) {
    const LoginGuard::Attempt attempt = begin(source, account);
    if (!attempt.verify) return attempt.wrong_at - now;
    return guard.finish(attempt, right, now) - now;
  }
  /// Fails, waits for the answer, and so on.
  void fail(std::uint64_t source, std::uint64_t account, int times) {
    for (int i = 0; i < times; ++i) now += login(source, account, false);
  }

  LoginGuard guard{{.free_failures = 3,
                    .first_delay = seconds(1),
                    .delay_max = seconds(10),
                    .half_life = minutes(15),
                    .entries_max = 256}};
  MonoTime now{std::chrono::hours(100)};
};

TEST_F(Logins, AfterThreeFreeFailuresTheDelayDoublesToItsMaximum) {
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 10; ++i) {
    const Duration wait = login(1, 1, false);
    waits.push_back(std::chrono::duration_cast<seconds>(wait).count());
    now += wait;
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{0, 0, 0, 0, 1, 2, 4, 8, 10, 10}));
}

TEST_F(Logins, TheRightPasswordOfAPenalisedSourceWaitsToo) {
  fail(1, 1, 5);
  const LoginGuard::Attempt attempt = begin(1, 2);
  EXPECT_TRUE(attempt.verify);
  const Duration wait = guard.finish(attempt, true, now) - now;
  EXPECT_GE(wait, seconds(1));
  EXPECT_LE(wait, seconds(4));
}

TEST_F(Logins, AnAccountIsProtectedFromManySources) {
  for (std::uint64_t source = 1; source <= 6; ++source) fail(source, 7, 1);
  EXPECT_GE(login(99, 7, false), seconds(1)) << "a source that never did anything";
  EXPECT_EQ(login(99, 8, true), Duration::zero()) << "another account";
}

TEST_F(Logins, ManyConnectionsAtOnceAreAnsweredOneByOneOrNotAtAll) {
  fail(1, 1, 6);
  now += seconds(10);
  int verified = 0;
  std::vector<MonoTime> answers;
  for (int i = 0; i < 100; ++i) {
    const LoginGuard::Attempt attempt = begin(1, std::uint64_t(50 + i));
    verified += attempt.verify ? 1 : 0;
    if (attempt.verify) answers.push_back(attempt.wrong_at);
    EXPECT_LE(attempt.wrong_at - now, seconds(10));
    EXPECT_EQ(attempt.refused, !attempt.verify);
  }
  EXPECT_LE(verified, 4) << "4 s apart, within 10 s";
  for (std::size_t i = 1; i < answers.size(); ++i) {
    EXPECT_GE(answers[i] - answers[i - 1], seconds(4));
  }
}

TEST_F(Logins, FailuresAreForgotten) {
  fail(1, 1, 7);
  now += minutes(15);
  EXPECT_EQ(login(1, 2, false), Duration::zero()) << "seven is three by now";
  now += minutes(15 * 4);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(login(1, 1, false), Duration::zero());
}

TEST_F(Logins, TheOwnerIsNotLockedOutWhereHeLoggedInBefore) {
  EXPECT_EQ(login(5, 1, true), Duration::zero());
  for (std::uint64_t source = 100; source < 200; ++source) fail(source, 1, 1);
  EXPECT_GT(begin(6, 1).right_at, now) << "elsewhere he is a stranger";
  fail(5, 2, 30);  // and his own network guesses at others
  for (int i = 0; i < 50; ++i) begin(5, 3);
  const LoginGuard::Attempt attempt = begin(5, 1);
  EXPECT_TRUE(attempt.verify);
  EXPECT_EQ(guard.finish(attempt, true, now), now);
}

TEST_F(Logins, WrongPasswordsDoNotTellWhoLoggedInFromHere) {
  login(5, 1, true);
  fail(5, 9, 8);
  now += seconds(60);
  for (int i = 0; i < 20; ++i) {
    // Accounts nobody knows, and the known one, asked in the same moment by the same network.
    const LoginGuard::Attempt stranger = begin(5, std::uint64_t(100 + i));
    const LoginGuard::Attempt known = begin(5, 1);
    EXPECT_GE(known.wrong_at, stranger.wrong_at);
    EXPECT_LE(known.wrong_at - now, seconds(10));
    if (stranger.refused) {
      EXPECT_TRUE(known.refused) << "both are told to try again later, at the same time";
      EXPECT_EQ(known.wrong_at, stranger.wrong_at);
    }
  }
}

TEST_F(Logins, GuessingAtAKnownPairIsSlowedToo) {
  login(5, 1, true);
  fail(5, 1, 8);
  EXPECT_GE(begin(5, 1).right_at - now, seconds(1));
}

TEST_F(Logins, OffIsOff) {
  LoginGuard off({.delay_max = Duration::zero()});
  for (int i = 0; i < 100; ++i) {
    const auto attempt = off.begin(digest(1, 1), digest(2, 2), digest(3, 3), now);
    EXPECT_TRUE(attempt.verify);
    EXPECT_EQ(off.finish(attempt, false, now), now);
  }
  EXPECT_EQ(off.sources(), 0U);
}

TEST_F(Logins, MemoryIsBoundedAndThoseWhoFailedMostStay) {
  fail(1, 1, 8);
  for (std::uint64_t i = 0; i < 20'000; ++i) login(1000 + i, 1000 + i, false);
  EXPECT_LE(guard.sources(), 256U);
  EXPECT_LE(guard.accounts(), 256U);
  EXPECT_GE(login(1, 77, false), seconds(1));
}

TEST_F(Logins, GatewayPolicyKnowsNetworksAndNamesInAnyCase) {
  config::GatewaySettings settings;
  settings.login_failures_free = 0;
  GatewayPolicy shared(settings, 1);
  const smtp::test::FakeDirectory directory;
  const auto attempt = [&](std::string_view address, std::string_view user) {
    return shared.begin_login(address, user, directory, now);
  };
  const auto one = attempt("2001:db8::1", "Alice@Example.org");
  EXPECT_EQ(one.account, attempt("192.0.2.1", "alice@example.org").account);
  EXPECT_EQ(one.source, attempt("2001:db8::2", "bob@example.org").source);
  EXPECT_NE(one.source, attempt("2001:db8:0:1::2", "bob@example.org").source);
  store::AuthOutcome wrong{.kind = store::AuthOutcome::Kind::bad_credentials};
  EXPECT_EQ(shared.finish_login(one, wrong, now), now);
  EXPECT_EQ(wrong.kind, store::AuthOutcome::Kind::bad_credentials);
  store::AuthOutcome right{.kind = store::AuthOutcome::Kind::ok, .name = "alice@example.org"};
  const auto two = attempt("2001:db8::1", "alice@example.org");
  EXPECT_EQ(shared.finish_login(two, right, now), now + seconds(1));
  EXPECT_EQ(right.kind, store::AuthOutcome::Kind::ok);
}

}  // namespace
}  // namespace postern::policy

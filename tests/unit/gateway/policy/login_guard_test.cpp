// Login penalties: they grow, they are one for all connections, they spare who was here before.
#include "gateway/policy/login_guard.hpp"

#include <gtest/gtest.h>
#include <vector>

#include "gateway/policy/gateway_policy.hpp"
#include "tests/unit/gateway/policy/logins.hpp"
#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::policy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

using test::Logins;

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
  const Duration wait = guard.finish(attempt, true, now).at - now;
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
  const LoginGuard::Answer answer = guard.finish(attempt, true, now);
  EXPECT_EQ(answer.at, now);
  EXPECT_FALSE(answer.refused);
}

TEST_F(Logins, WrongPasswordsDoNotTellWhoLoggedInFromHere) {
  login(5, 1, true);
  fail(5, 9, 8);
  now += seconds(60);
  for (int i = 0; i < 20; ++i) {
    // Accounts nobody knows, and the known one, asked in the same moment by the same network.
    const LoginGuard::Answer stranger = answer(5, std::uint64_t(100 + i), false);
    const LoginGuard::Answer known = answer(5, 1, false);
    EXPECT_GE(known.at, stranger.at);
    EXPECT_LE(known.at - now, kDelayMax);
    if (stranger.refused) {
      EXPECT_TRUE(known.refused) << "both are told to try again later, at the same time";
      EXPECT_EQ(known.at, stranger.at);
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
    EXPECT_EQ(off.finish(attempt, false, now).at, now);
  }
  EXPECT_EQ(off.sources(), 0U);
}

TEST_F(Logins, MemoryIsBoundedAndThoseWhoFailedMostStay) {
  fail(1, 1, 8);
  for (std::uint64_t i = 0; i < 20'000; ++i) login(1000 + i, 1000 + i, false);
  EXPECT_LE(guard.sources(), 4096U);
  EXPECT_LE(guard.accounts(), 4096U);
  EXPECT_GE(login(1, 77, false), seconds(1));
}

TEST_F(Logins, OneSourcesRefusalsDoNotUseUpTheAccountsTurns) {
  fail(1, 7, 8);
  for (int i = 0; i < 1000; ++i) begin(1, 7);
  ASSERT_FALSE(begin(1, 7).verify);
  // Its turns are not far, so that they leave one for a source with failures of its own.
  fail(2, 8, 4);
  now += seconds(10);
  EXPECT_TRUE(begin(2, 7).verify);
}

TEST_F(Logins, AnAccountWithoutATurnGivesTheSourcesBack) {
  for (std::uint64_t source = 100; source < 140; ++source) fail(source, 7, 1);
  fail(1, 9, 5);
  now += seconds(30);
  const MonoTime free = begin(1, 50).wrong_at;
  EXPECT_EQ(free, now) << "and the next one is free two seconds later";
  for (std::uint64_t source = 200; begin(source, 7).verify; ++source) ASSERT_LT(source, 300U);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(begin(1, 7).verify);
  EXPECT_EQ(begin(1, 51).wrong_at, now + seconds(2));
}

TEST_F(Logins, GuessesThatAreVerifiedTogetherLearnNoMoreThanOneAfterTheOther) {
  // Four are free, and the penalty's turns are 0, 1, 3 and 7 seconds after the first.
  EXPECT_LE(guess_at_once(1, 7, 100), 8);
  EXPECT_FALSE(begin(1, 7).verify);
}

TEST_F(Logins, ARightPasswordAmongTooManyGuessesIsNotTold) {
  std::vector<LoginGuard::Attempt> begun;
  for (int i = 0; i < 100; ++i) begun.push_back(begin(1, 7));
  for (int i = 0; i < 99; ++i) guard.finish(begun[std::size_t(i)], false, now);
  EXPECT_TRUE(begun.back().verify) << "nothing was known when it began";
  const LoginGuard::Answer last = guard.finish(begun.back(), true, now);
  EXPECT_TRUE(last.refused);
  EXPECT_EQ(last.at, now + kDelayMax);
  EXPECT_EQ(guard.known_pairs(), 0U);
}

TEST_F(Logins, RightPasswordsTogetherAreNoGuesses) {
  for (std::uint64_t account = 1; account <= 200; ++account) {
    const LoginGuard::Answer one = answer(1, account, true);
    EXPECT_EQ(one.at, now) << "an office after a restart";
    EXPECT_FALSE(one.refused);
  }
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
  EXPECT_EQ(shared.finish_login(one, wrong, now).at, now);
  EXPECT_EQ(wrong.kind, store::AuthOutcome::Kind::bad_credentials);
  store::AuthOutcome right{.kind = store::AuthOutcome::Kind::ok, .name = "alice@example.org"};
  const auto two = attempt("2001:db8::1", "alice@example.org");
  EXPECT_EQ(shared.finish_login(two, right, now).at, now + seconds(1));
  EXPECT_EQ(right.kind, store::AuthOutcome::Kind::ok);
}

TEST_F(Logins, GatewayPolicyForgetsTheOutcomeOfALoginThatIsRefused) {
  config::GatewaySettings settings;
  settings.login_failures_free = 0;
  GatewayPolicy shared(settings, 1);
  const smtp::test::FakeDirectory directory;
  const auto attempt = [&] {
    return shared.begin_login("192.0.2.1", "alice@example.org", directory, now);
  };
  const std::vector<LoginGuard::Attempt> together{attempt(), attempt(), attempt(), attempt(),
                                                  attempt(), attempt(), attempt()};
  for (std::size_t i = 0; i + 1 < together.size(); ++i) {
    store::AuthOutcome wrong{.kind = store::AuthOutcome::Kind::bad_credentials};
    shared.finish_login(together[i], wrong, now);
  }
  store::AuthOutcome right{
      .kind = store::AuthOutcome::Kind::ok, .account = store::AccountId{3}, .name = "alice"};
  EXPECT_TRUE(shared.finish_login(together.back(), right, now).refused);
  EXPECT_EQ(right.kind, store::AuthOutcome::Kind::unavailable);
  EXPECT_EQ(right.account, store::AccountId{});
  EXPECT_EQ(right.name, "");
  const LoginGuard::Attempt late = attempt();
  EXPECT_FALSE(late.verify);
  store::AuthOutcome none{.kind = store::AuthOutcome::Kind::ok};
  EXPECT_TRUE(shared.finish_login(late, none, now).refused);
  EXPECT_EQ(none.kind, store::AuthOutcome::Kind::unavailable);
}

}  // namespace
}  // namespace postern::policy

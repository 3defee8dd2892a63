// Guessing from many connections, from many addresses, and beside the owner: what attackers get,
// and what is left for him.
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "gateway/policy/login_guard.hpp"
#include "tests/unit/gateway/policy/logins.hpp"

namespace postern::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using LoginAttacks = test::Logins;

constexpr std::uint64_t kOwner = 7;

TEST_F(LoginAttacks, ConnectionsBesideTheOwnerGetTheTurnsOfOne) {
  login(5, 1, true);
  fail(5, 1, 10);
  int verified = 0;
  for (int i = 0; i < 100; ++i) verified += begin(5, 1).verify ? 1 : 0;
  EXPECT_EQ(verified, 1) << "ten seconds after the answer just given; the next would be at twenty";
  now += kDelayMax;
  verified = 0;
  for (int i = 0; i < 100; ++i) verified += begin(5, 1).verify ? 1 : 0;
  EXPECT_EQ(verified, 1);
}

TEST_F(LoginAttacks, GuessesBesideTheOwnerAreFewHoweverLongAndFromHoweverManyConnections) {
  login(5, 1, true);
  int told = 0;
  for (int second = 0; second < 3600; ++second) {
    told += guess_at_once(5, 1, 20);
    now += seconds(1);
  }
  EXPECT_LE(told, 3600 / 10 + 10);
  EXPECT_GE(told, 3600 / 10 - 20) << "they are slowed, not stopped";
}

TEST_F(LoginAttacks, TheOwnersLoginsDoNotGiveANeighbourAllFreeFailuresAgain) {
  login(5, 1, true);
  guess_at_once(5, 1, 100);
  now += minutes(1);
  login(5, 1, true);
  // What is free is used up: one more costs nothing, then 1, 3 and 7 seconds.
  EXPECT_LE(guess_at_once(5, 1, 100), 5);
}

TEST_F(LoginAttacks, AKnownPairIsUnaffectedByAllOfThem) {
  login(5, kOwner, true);
  for (int second = 0; second < 300; ++second) {
    for (std::uint64_t source = 100; source < 150; ++source) guess_at_once(source, kOwner, 2);
    for (std::uint64_t account = 500; account < 505; ++account) guess_at_once(5, account, 2);
    const LoginGuard::Answer owner = answer(5, kOwner, true);
    ASSERT_EQ(owner.at, now) << second;
    ASSERT_FALSE(owner.refused) << second;
    now += seconds(1);
  }
}

TEST_F(LoginAttacks, AnOwnerOnANewNetworkGetsInBesideOneAttacker) {
  std::mt19937 random(1);
  int tries = 0;
  int verified = 0;
  for (int tenth = 0; tenth < 36'000; ++tenth) {
    const LoginGuard::Attempt guess = begin(1, kOwner);
    if (guess.verify) guard.finish(guess, false, now);
    // On the way, never on the attacker's tick: each time from a network of which nothing is known.
    if (random() % 300 == 0) {
      now += milliseconds(random() % 100);
      const LoginGuard::Attempt owner = begin(std::uint64_t(10'000 + tries++), kOwner);
      verified += owner.verify ? 1 : 0;
      EXPECT_LE(owner.right_at - now, kDelayMax);
    }
    now += milliseconds(100);
  }
  ASSERT_GE(tries, 80);
  EXPECT_EQ(verified, tries);
}

TEST_F(LoginAttacks, HisFreeFailuresDoNotCostHimThat) {
  fail(1, kOwner, 20);
  for (int i = 0; i <= 3; ++i) {
    EXPECT_TRUE(begin(99, kOwner).verify) << i << " slips of the keyboard before";
    now += login(99, kOwner, false);
    for (int tick = 0; tick < 100; ++tick) {
      const LoginGuard::Attempt guess = begin(1, kOwner);
      if (guess.verify) guard.finish(guess, false, now);
      now += milliseconds(100);
    }
  }
}

/// Each of `sources` guesses once in `period`, for two hours. How many guesses are told the truth
/// in the second one.
class Botnets : public LoginAttacks {
 protected:
  int guesses_an_hour(std::uint64_t sources, Duration period) {
    const Duration step = period / static_cast<std::int64_t>(sources);
    const MonoTime middle = now + std::chrono::hours(1);
    const MonoTime end = now + std::chrono::hours(2);
    int told = 0;
    std::uint64_t source = 0;
    for (MonoTime owner = now; now < end; now += step, source = (source + 1) % sources) {
      told += answer(1000 + source, kOwner, false).refused || now < middle ? 0 : 1;
      if (now < owner) continue;
      owner += seconds(97);
      if (now < middle) continue;
      ++tries;
      verified += begin(1'000'000 + static_cast<std::uint64_t>(tries), kOwner).verify ? 1 : 0;
    }
    RecordProperty("told", told);
    RecordProperty("owner_verified_percent", verified * 100 / tries);
    return told;
  }
  int tries = 0;
  int verified = 0;
};

TEST_F(Botnets, AThousandSourcesTogetherAreSlowedToSixGuessesInTenSeconds) {
  const int told = guesses_an_hour(1000, seconds(10));
  EXPECT_LE(told, 6 * 360);
  EXPECT_GE(told, 360) << "nobody is refused altogether";
}

TEST_F(Botnets, AHundredSourcesLeaveTheOwnerHisChance) {
  const int told = guesses_an_hour(100, seconds(1));
  // One in ten seconds, and two of each source in fifteen minutes.
  EXPECT_LE(told, 360 + 100 * 2 * 4 + 10);
  EXPECT_GE(verified, tries * 95 / 100) << "of " << tries;
}

TEST_F(LoginAttacks, AThousandSourcesInOneMomentLearnADozen) {
  std::vector<LoginGuard::Attempt> begun;
  for (std::uint64_t source = 1; source <= 1000; ++source) begun.push_back(begin(source, kOwner));
  int told = 0;
  for (const LoginGuard::Attempt& attempt : begun) {
    if (attempt.verify && !guard.finish(attempt, false, now).refused) ++told;
  }
  // Free ones, turns within ten seconds, and the newcomers'.
  EXPECT_LE(told, 8 + LoginGuard::kNewcomersMax);
}

}  // namespace
}  // namespace postern::policy

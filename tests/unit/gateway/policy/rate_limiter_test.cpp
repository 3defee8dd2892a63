// Message rates (SMTP-09): exact at N and N+1, at window edges, with leases on several cores.
#include "gateway/policy/rate_limiter.hpp"

#include <deque>
#include <gtest/gtest.h>
#include <random>

namespace postern::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr KeyedDigest kKey{.high = 7, .low = 11};
// Some odd moment: windows begin at no particular time.
constexpr MonoTime kStart = MonoTime(milliseconds(123'456'789));

class Rates : public ::testing::Test {
 protected:
  explicit Rates(std::uint32_t cores = 4)
      : limiter({.cores = cores, .keys_max = 1024}), now(kStart) {}
  bool take(std::uint32_t core, std::uint64_t amount = 1) {
    return limiter.take(core, kKey, *windows, amount, now);
  }
  void limit(const config::RateLimits& limits) { windows.emplace(limits); }
  /// How many of `wanted` events in turn over the cores are admitted now.
  int admitted(int wanted, std::uint32_t cores = 4) {
    int count = 0;
    for (int i = 0; i < wanted; ++i) count += take(std::uint32_t(i) % cores) ? 1 : 0;
    return count;
  }
  RateLimiter limiter;
  std::optional<RateWindows> windows;
  MonoTime now;
};

TEST_F(Rates, AdmitsExactlyTheLimitOnOneCore) {
  for (const std::uint64_t max : {1ull, 2ull, 3ull, 7ull, 600ull}) {
    RateLimiter fresh({.cores = 4, .keys_max = 64});
    const RateWindows minute({.per_minute = max});
    for (std::uint64_t i = 0; i < max; ++i) {
      ASSERT_TRUE(fresh.take(0, kKey, minute, 1, now)) << i << " of " << max;
    }
    EXPECT_FALSE(fresh.take(0, kKey, minute, 1, now)) << max;
    EXPECT_FALSE(fresh.take(1, kKey, minute, 1, now)) << max;
  }
}

TEST_F(Rates, AdmitsExactlyTheLimitOverAllCores) {
  for (const std::uint64_t max : {1ull, 2ull, 5ull, 100ull, 601ull}) {
    for (const std::uint32_t cores : {1U, 2U, 3U, 64U, 100U}) {
      RateLimiter fresh({.cores = cores, .keys_max = 64});
      const RateWindows minute({.per_minute = max});
      std::uint64_t count = 0;
      for (std::uint32_t i = 0; i < max * 3; ++i) {
        count += fresh.take(i % cores, kKey, minute, 1, now) ? 1 : 0;
      }
      EXPECT_EQ(count, max) << cores << " cores";
    }
  }
}

TEST_F(Rates, CreditThatAnotherCoreHoldsIsTakenBackBeforeAnyoneIsRefused) {
  limit({.per_minute = 100});
  EXPECT_TRUE(take(0));  // core 0 has a lease of some more now
  int count = 0;
  while (take(1)) ++count;
  EXPECT_EQ(count, 99);
  EXPECT_FALSE(take(0)) << "core 0's lease is gone";
}

TEST_F(Rates, UnusedCreditIsNotCountedAsSent) {
  limit({.per_minute = 100});
  // In each of ten slots every core takes a lease and uses one of it.
  for (int slot = 0; slot < 10; ++slot) {
    EXPECT_EQ(admitted(4), 4);
    now += milliseconds(1875);
  }
  EXPECT_EQ(admitted(1000), 100 - 40);
}

TEST_F(Rates, CreditComesBackAfterTheWindowAndAtMostASlotLater) {
  limit({.per_minute = 10});
  EXPECT_EQ(admitted(20), 10);
  now = kStart + seconds(60) - milliseconds(1);
  EXPECT_EQ(admitted(20), 0) << "no earlier";
  now = kStart + seconds(60) + milliseconds(1875);
  EXPECT_EQ(admitted(20), 10) << "and not much later";
}

TEST_F(Rates, NoBurstAtAWindowsEdge) {
  limit({.per_minute = 60});
  now = kStart + milliseconds(59'900);
  EXPECT_EQ(admitted(100), 60);
  now += milliseconds(200);
  EXPECT_EQ(admitted(100), 0) << "another minute on the clock, the same minute for the client";
}

TEST_F(Rates, AllWindowsHoldAtOnce) {
  limit({.per_second = 5, .per_minute = 12, .per_hour = 20, .per_day = 30});
  EXPECT_EQ(admitted(50), 5);
  now += milliseconds(1040);
  EXPECT_EQ(admitted(50), 5);
  now += milliseconds(1040);
  EXPECT_EQ(admitted(50), 2) << "the minute is full";
  now += seconds(62);
  EXPECT_EQ(admitted(50), 5);
  now += milliseconds(1040);
  EXPECT_EQ(admitted(50), 3) << "the hour is full";
  now += seconds(3600 + 113);
  EXPECT_EQ(admitted(50), 5);
  now += milliseconds(1040);
  EXPECT_EQ(admitted(50), 5) << "the day is full";
  now += seconds(7200);
  EXPECT_EQ(admitted(50), 0);
  now += seconds(86400 + 2700);
  EXPECT_EQ(admitted(50), 5) << "all forgotten";
}

// Whatever happens when: in no window is more admitted than the limit, and whoever is refused would
// have been refused by a list of all times too, had its entries lived one slot longer.
TEST_F(Rates, RandomHistoriesAgreeWithAListOfAllTimes) {
  std::mt19937_64 random(20261121);
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t max = 1 + random() % 40;
    limit({.per_second = max});
    RateLimiter fresh({.cores = 4, .keys_max = 64});
    std::deque<std::pair<MonoTime, std::uint64_t>> log;
    const auto sum_since = [&log](MonoTime from) {
      std::uint64_t sum = 0;
      for (const auto& [time, amount] : log) sum += time > from ? amount : 0;
      return sum;
    };
    for (int step = 0; step < 3000; ++step) {
      now += std::chrono::microseconds(random() % (random() % 50 == 0 ? 2'000'000 : 40'000));
      const std::uint64_t amount = random() % 8 == 0 ? 1 + random() % max : 1;
      const bool taken = fresh.take(std::uint32_t(random() % 4), kKey, *windows, amount, now);
      if (taken) {
        log.emplace_back(now, amount);
        ASSERT_LE(sum_since(now - seconds(1)), max) << "round " << round << " step " << step;
      } else {
        ASSERT_GT(sum_since(now - milliseconds(1032)) + amount, max)
            << "round " << round << " step " << step;
      }
      while (!log.empty() && log.front().first < now - seconds(3)) log.pop_front();
    }
  }
}

TEST_F(Rates, LargeAmountsAndRoom) {
  limit({.per_hour = 1ull << 40});
  const std::uint64_t half = 1ull << 39;
  EXPECT_TRUE(limiter.has_room(0, kKey, *windows, half, now));
  EXPECT_TRUE(take(0, half));
  EXPECT_TRUE(take(1, half - 10));
  EXPECT_FALSE(limiter.has_room(2, kKey, *windows, 11, now));
  EXPECT_TRUE(limiter.has_room(2, kKey, *windows, 10, now));
  EXPECT_FALSE(take(2, 11));
  EXPECT_TRUE(take(2, 10));
  EXPECT_FALSE(limiter.has_room(3, kKey, *windows, 0, now)) << "nothing at all is left";
  EXPECT_TRUE(take(3, 0)) << "nothing is always allowed";
}

TEST_F(Rates, RoomSeesCreditInLeases) {
  limit({.per_minute = 40});
  EXPECT_TRUE(take(0));
  EXPECT_TRUE(limiter.has_room(0, kKey, *windows, 39, now));
  EXPECT_TRUE(limiter.has_room(1, kKey, *windows, 39, now));
  EXPECT_FALSE(limiter.has_room(1, kKey, *windows, 40, now));
  EXPECT_EQ(admitted(100), 39) << "asking has counted nothing";
}

TEST_F(Rates, OffMeansUnlimited) {
  limit({});
  EXPECT_EQ(admitted(5000), 5000);
  EXPECT_EQ(limiter.keys(), 0U);
}

TEST_F(Rates, AClockBehindIsTolerated) {
  limit({.per_second = 10});
  EXPECT_TRUE(take(0));
  now -= milliseconds(100);  // another core read its clock earlier
  EXPECT_TRUE(take(1));
  now += milliseconds(100);
  EXPECT_EQ(admitted(50), 8);
}

TEST_F(Rates, KeysThatShareALeaseLineStayExact) {
  limit({.per_minute = 100});
  const KeyedDigest other{.high = 8, .low = kKey.low + 1024};
  int mine = 0;
  int others = 0;
  for (int i = 0; i < 400; ++i) {
    mine += limiter.take(std::uint32_t(i) % 3, kKey, *windows, 1, now) ? 1 : 0;
    others += limiter.take(std::uint32_t(i) % 3, other, *windows, 1, now) ? 1 : 0;
  }
  EXPECT_EQ(mine, 100);
  EXPECT_EQ(others, 100);
}

TEST_F(Rates, ManySourcesDoNotPushOutWhoIsAtHisLimit) {
  limit({.per_minute = 50});
  RateLimiter small({.cores = 2, .keys_max = 256});
  std::mt19937_64 random(7);
  const auto take_on = [&](std::uint32_t core, const KeyedDigest& key) {
    return small.take(core, key, *windows, 1, now);
  };
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(take_on(0, kKey));
  for (int i = 0; i < 100'000; ++i) take_on(1, {.high = random(), .low = random()});
  EXPECT_FALSE(take_on(0, kKey));
  EXPECT_FALSE(take_on(1, kKey));
  EXPECT_LE(small.keys(), 256U);
  EXPECT_GT(small.keys_forgotten(), 90'000U);
}

TEST_F(Rates, AKeyThatWasPushedOutLeavesNoCreditBehind) {
  limit({.per_minute = 1000});
  RateLimiter small({.cores = 2, .keys_max = 16});
  ASSERT_TRUE(small.take(0, kKey, *windows, 1, now));  // with a lease of 250
  for (std::uint64_t i = 0; i < 16; ++i) {
    for (int n = 0; n < 300; ++n) {
      small.take(1, {.high = 100 + i, .low = 100 + i}, *windows, 1, now);
    }
  }
  int count = 0;
  while (small.take(0, kKey, *windows, 1, now)) ++count;
  EXPECT_EQ(count, 1000) << "begun anew, and nothing on top";
}

}  // namespace
}  // namespace postern::policy

// The limit holds to the event when real threads send at once.
#include <atomic>
#include <gtest/gtest.h>
#include <latch>
#include <thread>
#include <vector>

#include "gateway/policy/rate_limiter.hpp"

namespace postern::policy {
namespace {

constexpr MonoTime kStart = MonoTime(std::chrono::hours(1000));

/// `threads` threads try `each` times on every key; how many were admitted of each.
std::vector<std::uint64_t> race(RateLimiter& limiter, const RateWindows& windows,
                                std::uint32_t threads, std::size_t keys, int each) {
  std::vector<std::atomic<std::uint64_t>> admitted(keys);
  std::latch go(threads);
  {
    std::vector<std::jthread> running;
    for (std::uint32_t core = 0; core < threads; ++core) {
      running.emplace_back([&, core] {
        go.arrive_and_wait();
        for (int i = 0; i < each; ++i) {
          for (std::size_t key = 0; key < keys; ++key) {
            // Keys 0 and 1024 and so on share a lease's line.
            const KeyedDigest digest{.high = key + 1, .low = key * 512 + 3};
            if (limiter.take(core, digest, windows, 1, kStart)) {
              admitted[key].fetch_add(1, std::memory_order_relaxed);
            }
          }
          if (i % 64 == 0) std::this_thread::yield();
        }
      });
    }
  }
  return {admitted.begin(), admitted.end()};
}

TEST(RatesOnThreads, ExactlyTheLimitIsAdmitted) {
  for (const std::uint64_t max : {1ull, 10ull, 997ull, 40'000ull}) {
    for (int round = 0; round < 5; ++round) {
      RateLimiter limiter({.cores = 4, .keys_max = 64});
      const RateWindows windows({.per_minute = max, .per_day = max + 1});
      for (const std::uint64_t count : race(limiter, windows, 4, 1, 15'000)) {
        EXPECT_EQ(count, max);
      }
    }
  }
}

TEST(RatesOnThreads, ExactForKeysThatPushEachOtherOutOfTheLeases) {
  for (int round = 0; round < 5; ++round) {
    RateLimiter limiter({.cores = 4, .keys_max = 4096});
    const RateWindows windows({.per_minute = 500});
    for (const std::uint64_t count : race(limiter, windows, 4, 8, 1000)) EXPECT_EQ(count, 500U);
  }
}

TEST(RatesOnThreads, NobodyIsRefusedBelowTheLimit) {
  RateLimiter limiter({.cores = 4, .keys_max = 64});
  const RateWindows windows({.per_hour = 60'000});
  for (const std::uint64_t count : race(limiter, windows, 4, 1, 15'000)) {
    EXPECT_EQ(count, 60'000U) << "the last event had to find the last credit";
  }
}

}  // namespace
}  // namespace postern::policy

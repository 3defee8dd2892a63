// Cores share the guard: what it promises holds when they ask at once.
#include <atomic>
#include <gtest/gtest.h>
#include <latch>
#include <thread>
#include <vector>

#include "gateway/policy/login_guard.hpp"

namespace postern::policy {
namespace {

constexpr MonoTime kStart{std::chrono::hours(100)};
constexpr std::uint64_t kThreads = 4;

constexpr KeyedDigest digest(std::uint64_t kind, std::uint64_t number) {
  return {.high = (kind << 32 | number) * 0x9E3779B97F4A7C15, .low = kind << 32 | number};
}

/// Runs `body(thread)` on every thread, all starting together.
template <class Body>
void together(Body body) {
  std::latch go(kThreads);
  std::vector<std::jthread> running;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    running.emplace_back([&, thread] {
      go.arrive_and_wait();
      body(thread);
    });
  }
}

TEST(LoginsOnThreads, GuessesAtOneMomentAreTheTurnsOfOneConnection) {
  for (int round = 0; round < 20; ++round) {
    LoginGuard guard({.delay_max = std::chrono::seconds(10), .entries_max = 256});
    std::atomic<int> told = 0;
    together([&](std::uint64_t) {
      for (int i = 0; i < 500; ++i) {
        const auto attempt = guard.begin(digest(1, 1), digest(2, 1), digest(3, 1), kStart);
        if (attempt.verify && !guard.finish(attempt, false, kStart).refused) ++told;
      }
    });
    // Four free, four with turns; and each thread may stand between taking and being counted.
    EXPECT_LE(told, 8 + static_cast<int>(kThreads) - 1);
    EXPECT_GE(told, 4);
  }
}

TEST(LoginsOnThreads, WhoWasHereBeforeGetsInAmongAllOthers) {
  LoginGuard guard({.delay_max = std::chrono::seconds(10), .entries_max = 4096});
  const auto owner = [&](std::uint64_t thread, MonoTime now) {
    const auto attempt = guard.begin(digest(1, 1), digest(2, thread), digest(3, thread), now);
    return attempt.verify ? guard.finish(attempt, true, now)
                          : LoginGuard::Answer{.at = now, .refused = true};
  };
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    ASSERT_FALSE(owner(thread, kStart).refused);
  }
  std::atomic<int> waited = 0;
  together([&](std::uint64_t thread) {
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const MonoTime now = kStart + std::chrono::milliseconds(i);
      // Strangers on his network, and elsewhere against his account.
      for (const auto& [source, account] :
           {std::pair{std::uint64_t{1}, 100 + i}, std::pair{100 + i % 50, thread}}) {
        const auto guess = guard.begin(digest(1, source), digest(2, account),
                                       digest(3, source << 20 | account << 8), now);
        if (guess.verify) guard.finish(guess, false, now);
      }
      const LoginGuard::Answer answer = owner(thread, now);
      if (answer.refused || answer.at != now) ++waited;
    }
  });
  EXPECT_EQ(waited, 0);
}

}  // namespace
}  // namespace postern::policy

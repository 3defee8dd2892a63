// A login guard with a clock that tests turn by hand, and logins that wait for their answers.
#pragma once

#include <cstdint>
#include <gtest/gtest.h>
#include <vector>

#include "gateway/policy/login_guard.hpp"

namespace postern::policy::test {

class Logins : public ::testing::Test {
 protected:
  static constexpr Duration kDelayMax = std::chrono::seconds(10);

  static KeyedDigest digest(std::uint64_t kind, std::uint64_t number) {
    // Spread over the tables' sets, as real digests are.
    return {.high = (kind << 32 | number) * 0x9E3779B97F4A7C15, .low = kind << 32 | number};
  }
  LoginGuard::Attempt begin(std::uint64_t source, std::uint64_t account) {
    return guard.begin(digest(1, source), digest(2, account), digest(3, source * 1000 + account),
                       now);
  }
  /// Verified at once.
  LoginGuard::Answer answer(std::uint64_t source, std::uint64_t account, bool right) {
    const LoginGuard::Attempt attempt = begin(source, account);
    if (!attempt.verify) return {.at = attempt.wrong_at, .refused = true};
    return guard.finish(attempt, right, now);
  }
  /// How long the answer to a login waits.
  Duration login(std::uint64_t source, std::uint64_t account, bool right) {
    return answer(source, account, right).at - now;
  }
  /// Fails, waits for the answer, and so on.
  void fail(std::uint64_t source, std::uint64_t account, int times) {
    for (int i = 0; i < times; ++i) now += login(source, account, false);
  }
  /// Wrong passwords on `connections` at one moment, all begun before one of them is verified. How
  /// many are told that they are wrong.
  int guess_at_once(std::uint64_t source, std::uint64_t account, int connections) {
    std::vector<LoginGuard::Attempt> begun;
    for (int i = 0; i < connections; ++i) begun.push_back(begin(source, account));
    int told = 0;
    for (const LoginGuard::Attempt& attempt : begun) {
      if (attempt.verify && !guard.finish(attempt, false, now).refused) ++told;
    }
    return told;
  }

  LoginGuard guard{{.free_failures = 3,
                    .first_delay = std::chrono::seconds(1),
                    .delay_max = kDelayMax,
                    .half_life = std::chrono::minutes(15),
                    .entries_max = 4096}};
  MonoTime now{std::chrono::hours(100)};
};

}  // namespace postern::policy::test

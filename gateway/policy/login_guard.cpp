#include "gateway/policy/login_guard.hpp"

#include <algorithm>

namespace postern::policy {

namespace {

// How long a network stays known to an account: longer than a holiday, shorter than most leases of
// an address.
constexpr Duration kPairLifetime = std::chrono::days(30);
// Beyond this the delay is at its longest anyway; it keeps the count from taking days to forget.
constexpr std::uint32_t kFailuresMax = 64;

}  // namespace

LoginGuard::LoginGuard(const LoginGuardOptions& options)
    : options_(options),
      sources_(options.entries_max),
      accounts_(options.entries_max),
      pairs_(options.entries_max) {}

Duration LoginGuard::delay_of(std::uint32_t failures) const noexcept {
  if (failures <= options_.free_failures) return Duration::zero();
  const std::uint32_t doublings = std::min(failures - options_.free_failures - 1, 20U);
  return std::min(options_.first_delay * (std::int64_t{1} << doublings), options_.delay_max);
}

void LoginGuard::forget(Failures& failures, MonoTime now) const noexcept {
  if (failures.count == 0 || now <= failures.since) return;
  const std::int64_t halvings = (now - failures.since) / options_.half_life;
  if (halvings == 0) return;
  failures.count = halvings > 31 ? 0 : failures.count >> halvings;
  failures.since += halvings * options_.half_life;
}

// How long a login has to wait for its turn. It takes the turn, unless it is too far away.
Duration LoginGuard::reserve(Failures& failures, MonoTime now) const noexcept {
  forget(failures, now);
  const Duration delay = delay_of(failures.count);
  if (delay <= Duration::zero()) return Duration::zero();
  const MonoTime turn = std::max(now, failures.next_free);
  if (turn - now <= options_.delay_max) failures.next_free = turn + delay;
  return turn - now;
}

// The next answer waits behind the one that is given now.
void LoginGuard::punish(Failures& failures, MonoTime answered_at, MonoTime now) const noexcept {
  forget(failures, now);
  if (failures.count == 0) failures.since = now;
  failures.count = std::min(failures.count + 1, kFailuresMax);
  failures.next_free = std::max(failures.next_free, answered_at + delay_of(failures.count));
}

LoginGuard::Attempt LoginGuard::begin(const KeyedDigest& source, const KeyedDigest& account,
                                      const KeyedDigest& pair, MonoTime now) {
  Attempt attempt{.source = source, .account = account, .pair = pair};
  attempt.right_at = attempt.wrong_at = now;
  if (off()) return attempt;
  Duration wait{};
  const auto look = [&](Failures& failures) { wait = std::max(wait, reserve(failures, now)); };
  sources_.find(source, look);
  accounts_.find(account, look);
  attempt.refused = wait > options_.delay_max;
  attempt.wrong_at = now + std::min(wait, options_.delay_max);
  bool known = false;
  pairs_.find(pair, [&](Pair& entry) {
    if (entry.known_until <= now) return;
    known = true;
    attempt.right_at = now + std::min(reserve(entry.failures, now), options_.delay_max);
  });
  if (!known) attempt.right_at = attempt.wrong_at;
  attempt.wrong_at = std::max(attempt.wrong_at, attempt.right_at);
  attempt.verify = known || !attempt.refused;
  return attempt;
}

MonoTime LoginGuard::finish(const Attempt& attempt, bool right, MonoTime now) {
  if (off()) return now;
  if (right) {
    const auto left = [now](Pair& pair) {
      return static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, (pair.known_until - now).count()));
    };
    pairs_.with(attempt.pair, left,
                [now](Pair& pair) { pair = {.known_until = now + kPairLifetime, .failures = {}}; });
    return std::max(attempt.right_at, now);
  }
  const MonoTime answered_at = std::max(attempt.wrong_at, now);
  const auto worth = [&](Failures& failures) {
    forget(failures, now);
    return std::uint64_t{failures.count};
  };
  const auto count = [&](Failures& failures) { punish(failures, answered_at, now); };
  sources_.with(attempt.source, worth, count);
  accounts_.with(attempt.account, worth, count);
  pairs_.find(attempt.pair, [&](Pair& pair) { punish(pair.failures, answered_at, now); });
  return answered_at;
}

}  // namespace postern::policy

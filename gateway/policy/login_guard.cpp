#include "gateway/policy/login_guard.hpp"

#include <algorithm>
#include <functional>

namespace postern::policy {

namespace {

// How long a network stays known to an account: longer than a holiday, shorter than most leases of
// an address.
constexpr Duration kPairLifetime = std::chrono::days(30);
// A day less of that is not worth a write of the file.
constexpr Duration kWorthKeeping = std::chrono::days(1);
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

// A login's place in the row. It is taken, unless it is too far away.
LoginGuard::Turn LoginGuard::take(Failures& failures, MonoTime now) const noexcept {
  forget(failures, now);
  const Duration delay = delay_of(failures.count);
  if (delay <= Duration::zero()) return {.at = now, .end = now};
  const MonoTime at = std::max(now, failures.next_free);
  if (at - now > options_.delay_max) return {.at = now + options_.delay_max, .refused = true};
  failures.next_free = at + delay;
  return {.at = at, .end = at + delay, .taken = true};
}

// One of the answers for newcomers: kNewcomersMax at once, and as many in each delay_max.
bool LoginGuard::take_newcomers(Account& account, MonoTime now) const noexcept {
  const Duration apart = options_.delay_max / kNewcomersMax;
  const MonoTime end = std::max(now, account.newcomers_next_free) + apart;
  if (end - now > options_.delay_max) return false;
  account.newcomers_next_free = end;
  return true;
}

void LoginGuard::take_as_known(Attempt& attempt) {
  if (attempt.pair_turn) return;
  pairs_.find(attempt.pair, [&](Pair& pair) {
    const Turn turn = take(pair.failures, attempt.begun_at);
    attempt.pair_turn = turn.taken;
    attempt.refused = turn.refused;
    attempt.right_at = turn.at;
  });
}

void LoginGuard::take_as_stranger(Attempt& attempt) {
  const MonoTime now = attempt.begun_at;
  Turn source{.at = now};
  if (!attempt.source_turn) {
    sources_.find(attempt.source, [&](Failures& failures) {
      source = take(failures, now);
      attempt.newcomer = failures.count <= options_.free_failures;
    });
    attempt.source_turn = source.taken;
  }
  Turn account{.at = now};
  if (!source.refused && !attempt.account_turn) {
    accounts_.find(attempt.account, [&](Account& entry) {
      account = take(entry.failures, now);
      if (!account.refused || !attempt.newcomer || !take_newcomers(entry, now)) return;
      // As late as a refusal: what the account's row looks like is not to be told.
      account = {.at = now + options_.delay_max, .taken = true};
      attempt.newcomers_turn = true;
    });
    attempt.account_turn = account.taken;
  }
  if (account.refused && source.taken) give_back_source(attempt, source);
  attempt.refused = attempt.refused || source.refused || account.refused;
  attempt.wrong_at = std::max({attempt.wrong_at, source.at, account.at});
}

// The account had no turn: others of the source need not wait for nothing.
void LoginGuard::give_back_source(const Attempt& attempt, const Turn& turn) {
  sources_.find(attempt.source, [&](Failures& failures) {
    if (failures.next_free == turn.end) failures.next_free = turn.at;
  });
}

LoginGuard::Attempt LoginGuard::begin(const KeyedDigest& source, const KeyedDigest& account,
                                      const KeyedDigest& pair, MonoTime now) {
  Attempt attempt{.source = source, .account = account, .pair = pair, .begun_at = now};
  attempt.right_at = attempt.wrong_at = now;
  if (off()) return attempt;
  pairs_.find(pair, [&](Pair& entry) { attempt.known = entry.known_until > now; });
  if (attempt.known) {
    take_as_known(attempt);
    attempt.wrong_at = attempt.right_at;
  } else {
    take_as_stranger(attempt);
    attempt.right_at = attempt.wrong_at;
  }
  attempt.verify = !attempt.refused;
  return attempt;
}

LoginGuard::Answer LoginGuard::finish(const Attempt& begun, bool right, MonoTime now) {
  if (off()) return {.at = now};
  Attempt attempt = begun;
  if (attempt.known) take_as_known(attempt);
  // A known pair that is right is none of the strangers' business, and takes none of their turns.
  if (!attempt.known || !right) take_as_stranger(attempt);
  if (!attempt.known) attempt.right_at = attempt.wrong_at;
  const MonoTime at = std::max({now, attempt.right_at, right ? now : attempt.wrong_at});
  if (!right) {
    punish(attempt, at, now);
  } else if (!attempt.refused) {
    know(attempt.pair, kPairLifetime, now);
  }
  return {.at = at, .refused = attempt.refused};
}

void LoginGuard::know(const KeyedDigest& key, Duration left, MonoTime now) {
  const auto worth = [now](Pair& pair) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, (pair.known_until - now).count()));
  };
  pairs_.with(key, worth, [&](Pair& pair) {
    if (now + left - pair.known_until >= kWorthKeeping) {
      known_changes_.fetch_add(1, std::memory_order_relaxed);
    }
    pair.known_until = now + left;
    pair.failures.count = std::min(pair.failures.count, options_.free_failures);
    pair.failures.next_free = {};
  });
}

std::vector<LoginGuard::Known> LoginGuard::known(std::size_t max, MonoTime now) {
  std::vector<Known> all;
  all.reserve(pairs_.entries());  // growing under a lock would hold up logins
  pairs_.for_each([&](const KeyedDigest& pair, const Pair& entry) {
    if (entry.known_until > now) all.push_back({.pair = pair, .left = entry.known_until - now});
  });
  if (all.size() > max) {
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(max);
    std::ranges::nth_element(all, end, std::greater{}, &Known::left);
    all.erase(end, all.end());
  }
  return all;
}

void LoginGuard::remember(const Known& known, MonoTime now) {
  if (off() || known.left <= Duration::zero()) return;
  know(known.pair, std::min(known.left, kPairLifetime), now);
}

void LoginGuard::count(Failures& failures, MonoTime now) const noexcept {
  forget(failures, now);
  if (failures.count == 0) failures.since = now;
  failures.count = std::min(failures.count + 1, kFailuresMax);
}

// The next answer waits behind the one that is given now.
void LoginGuard::occupy(Failures& failures, MonoTime answered_at) const noexcept {
  failures.next_free = std::max(failures.next_free, answered_at + delay_of(failures.count));
}

// Every failure counts. Nobody waits behind an answer that says nothing about the password, nor
// those with the account's ordinary turns behind a newcomer.
void LoginGuard::punish(const Attempt& attempt, MonoTime answered_at, MonoTime now) {
  const auto add = [&](Failures& failures, bool in_its_row) {
    count(failures, now);
    if (in_its_row && !attempt.refused) occupy(failures, answered_at);
  };
  const auto worth = [&](Failures& failures) {
    forget(failures, now);
    return std::uint64_t{failures.count};
  };
  sources_.with(attempt.source, worth, [&](Failures& failures) { add(failures, true); });
  accounts_.with(
      attempt.account, [&](Account& account) { return worth(account.failures); },
      [&](Account& account) { add(account.failures, !attempt.newcomers_turn); });
  pairs_.find(attempt.pair, [&](Pair& pair) { add(pair.failures, true); });
}

}  // namespace postern::policy

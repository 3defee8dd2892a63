// Login penalties of all listeners and sidecars together: guessing passwords takes longer and
// longer.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "runtime/keyed_table.hpp"
#include "runtime/time.hpp"

namespace postern::policy {

struct LoginGuardOptions {
  /// Failures of a source or against an account that cost nothing: an old password in a phone, a
  /// slip of the keyboard.
  std::uint32_t free_failures = 3;
  Duration first_delay = std::chrono::seconds(1);  ///< doubles with each failure
  /// Longest delay; zero: no penalties. Whoever would wait longer is told to try again later.
  Duration delay_max = std::chrono::seconds(10);
  Duration half_life = std::chrono::minutes(15);  ///< after which half of the failures is forgotten
  std::size_t entries_max = 64 * 1024;            ///< of each table
};

/// Any thread. Failures are counted per source prefix and per account; logins under penalty are
/// answered one by one, a delay apart, however many connections they come on. Answers are held
/// back, not verifications: nobody waits in a thread, and right and wrong take the same time. Who
/// would have to wait longer than `delay_max` is not verified. A login that was begun before the
/// penalty, beside others, takes its turn when its verification ends: a hundred guesses at once
/// learn no more than a hundred one after the other.
///
/// A source that is refused takes no turn of the account, so that it cannot use them up. Besides
/// the account's turns there are `kNewcomersMax` answers in each `delay_max` for sources whose own
/// failures are still free: an owner on a new network finds one, unless hundreds of addresses
/// compete for them.
///
/// A pair of account and source that has logged in before is judged for itself: failures of
/// strangers, against the account or from the same network, do not delay its right password. Its
/// wrong passwords are answered like everybody's, so that nobody learns from the time which
/// accounts have logged in from here. Its own failures delay and refuse it as they do strangers;
/// its right password leaves of them no more than what is free.
class LoginGuard {
 public:
  /// Verifications of one account within `delay_max` for sources with free failures left, when its
  /// ordinary turns are taken. More would help an owner on a new network against a larger botnet,
  /// and that botnet against him: see README.md.
  static constexpr int kNewcomersMax = 5;

  explicit LoginGuard(const LoginGuardOptions& options);

  /// A login that waits for its verification.
  struct Attempt {
    KeyedDigest source;
    KeyedDigest account;
    KeyedDigest pair;
    MonoTime begun_at{};
    MonoTime right_at{};   ///< when "right" may be said, as far as known before the verification
    MonoTime wrong_at{};   ///< when anything else may be said; likewise
    bool refused = false;  ///< too many wait
    bool verify = true;    ///< false: do not verify, answer "try again later" at wrong_at
    bool known = false;    ///< the pair has logged in before
    bool newcomer = true;  ///< the source has free failures left
    /// Turns that were taken already.
    bool source_turn = false;
    bool account_turn = false;
    bool pair_turn = false;
    bool newcomers_turn = false;  ///< the account's, of those for newcomers
  };
  /// What the client is told.
  struct Answer {
    MonoTime at{};         ///< the time of finish() or later
    bool refused = false;  ///< "try again later", be the password right or wrong
  };

  /// The password is to be verified now. The digests stand for the client's network, the account
  /// that was named (which may not exist), and both.
  Attempt begin(const KeyedDigest& source, const KeyedDigest& account, const KeyedDigest& pair,
                MonoTime now);
  /// It was right or wrong. Not for attempts that were not to be verified.
  Answer finish(const Attempt& attempt, bool right, MonoTime now);

  /// A pair that has logged in, and how long it stays known.
  struct Known {
    KeyedDigest pair;
    Duration left{};
  };
  /// All that are known, those with the longest time first if there are more than `max`.
  std::vector<Known> known(std::size_t max, MonoTime now);
  /// Start-up: a pair is known from before. `left` is at most as long as that of a login now.
  void remember(const Known& known, MonoTime now);
  /// Rises when known() has something new that is worth keeping: a pair, or a day more of one.
  std::uint64_t known_changes() const noexcept {
    return known_changes_.load(std::memory_order_relaxed);
  }

  bool off() const noexcept { return options_.delay_max <= Duration::zero(); }
  std::uint64_t sources() const noexcept { return sources_.entries(); }
  std::uint64_t accounts() const noexcept { return accounts_.entries(); }
  std::uint64_t known_pairs() const noexcept { return pairs_.entries(); }

 private:
  struct Failures {
    std::uint32_t count = 0;
    MonoTime since{};      // when the count was last halved or raised
    MonoTime next_free{};  // when the next login may be answered
  };
  struct Account {
    Failures failures;
    MonoTime newcomers_next_free{};  // when their answers have caught up with the clock
  };
  struct Pair {
    MonoTime known_until{};
    Failures failures;
  };
  /// A place in a row of answers.
  struct Turn {
    MonoTime at{};
    MonoTime end{};        // when the next one is answered
    bool taken = false;    // false: nobody has to wait here yet
    bool refused = false;  // too far away
  };
  Duration delay_of(std::uint32_t failures) const noexcept;
  void forget(Failures& failures, MonoTime now) const noexcept;
  Turn take(Failures& failures, MonoTime now) const noexcept;
  bool take_newcomers(Account& account, MonoTime now) const noexcept;
  void know(const KeyedDigest& pair, Duration left, MonoTime now);
  void take_as_known(Attempt& attempt);
  void take_as_stranger(Attempt& attempt);
  void give_back_source(const Attempt& attempt, const Turn& turn);
  void count(Failures& failures, MonoTime now) const noexcept;
  void occupy(Failures& failures, MonoTime answered_at) const noexcept;
  void punish(const Attempt& attempt, MonoTime answered_at, MonoTime now);

  const LoginGuardOptions options_;
  KeyedTable<Failures> sources_;
  KeyedTable<Account> accounts_;
  KeyedTable<Pair> pairs_;  // of those that have logged in, and only them
  std::atomic<std::uint64_t> known_changes_{0};
};

}  // namespace postern::policy

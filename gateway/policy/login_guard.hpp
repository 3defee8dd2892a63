// Login penalties of all listeners and sidecars together: guessing passwords takes longer and
// longer.
#pragma once

#include <cstdint>
#include <string_view>

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
/// back, not verifications: nobody waits in a thread, and right and wrong take the same time.
///
/// A pair of account and source that has logged in before is judged for itself: failures of
/// strangers, against the account or from the same network, do not delay its right password. Its
/// wrong passwords are answered like everybody's, so that nobody learns from the time which
/// accounts have logged in from here.
class LoginGuard {
 public:
  explicit LoginGuard(const LoginGuardOptions& options);

  /// A login that waits for its verification.
  struct Attempt {
    KeyedDigest source;
    KeyedDigest account;
    KeyedDigest pair;
    MonoTime right_at{};   ///< when "right" may be said
    MonoTime wrong_at{};   ///< when anything else may be said
    bool refused = false;  ///< too many wait: what is not right is answered "try again later"
    bool verify = true;    ///< false: do not verify, answer "try again later" at wrong_at
  };
  /// The password is to be verified now. The digests stand for the client's network, the account
  /// that was named (which may not exist), and both.
  Attempt begin(const KeyedDigest& source, const KeyedDigest& account, const KeyedDigest& pair,
                MonoTime now);
  /// It was right or wrong. Returns when to answer, `now` or later.
  MonoTime finish(const Attempt& attempt, bool right, MonoTime now);

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
  struct Pair {
    MonoTime known_until{};
    Failures failures;
  };
  Duration delay_of(std::uint32_t failures) const noexcept;
  void forget(Failures& failures, MonoTime now) const noexcept;
  Duration reserve(Failures& failures, MonoTime now) const noexcept;
  void punish(Failures& failures, MonoTime answered_at, MonoTime now) const noexcept;

  const LoginGuardOptions options_;
  KeyedTable<Failures> sources_;
  KeyedTable<Failures> accounts_;
  KeyedTable<Pair> pairs_;  // of those that have logged in, and only them
};

}  // namespace postern::policy

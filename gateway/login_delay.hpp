// RFC 2449 6.5: the shortest time between two logins of an account.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "runtime/time.hpp"
#include "store/types.hpp"

namespace postern::gateway {

/// Remembers when accounts last logged in. Kept in the gateway, where the logins of all cores and
/// processes meet; forgotten when it restarts, which lets everybody in once more. One thread.
///
/// Memory: an entry for each account that logged in within the last two delays. Strangers leave
/// none: only who has given the right password is asked about.
class LoginDelay {
 public:
  /// Zero: no delay.
  explicit LoginDelay(std::chrono::seconds delay) : delay_(delay) {}

  bool off() const noexcept { return delay_.count() == 0; }

  /// nullopt: the account may log in, and its delay begins. Else how long it has to wait, at least
  /// a second; a refused attempt does not make that longer. `attempt` names the login (0: it has no
  /// name): the one that began the delay may be asked for again, for its answer may have been lost.
  std::optional<std::chrono::seconds> admit(store::AccountId account, std::uint64_t attempt,
                                            MonoTime now) {
    if (off()) return std::nullopt;
    if (now - turned_ >= delay_) {
      older_ = std::exchange(newer_, {});
      turned_ = now;
    }
    for (const auto* logins : {&newer_, &older_}) {
      const auto last = logins->find(store::raw(account));
      if (last == logins->end() || now - last->second.at >= delay_) continue;
      if (attempt != 0 && last->second.attempt == attempt) return std::nullopt;
      return std::chrono::ceil<std::chrono::seconds>(delay_ - (now - last->second.at));
    }
    newer_[store::raw(account)] = {now, attempt};
    return std::nullopt;
  }

  /// That login came to nothing: the delay that it began is over. A later login's is not.
  void undo(store::AccountId account, std::uint64_t attempt) {
    if (attempt == 0) return;
    for (Logins* logins : {&newer_, &older_}) {
      const auto last = logins->find(store::raw(account));
      if (last != logins->end() && last->second.attempt == attempt) logins->erase(last);
    }
  }

 private:
  struct Login {
    MonoTime at;
    std::uint64_t attempt;
  };
  using Logins = std::unordered_map<std::uint64_t, Login>;

  const std::chrono::seconds delay_;
  // Two generations, so that old entries go without a search: what is in the older one when it is
  // dropped has been there for at least a delay.
  Logins newer_;
  Logins older_;
  MonoTime turned_{};
};

}  // namespace postern::gateway

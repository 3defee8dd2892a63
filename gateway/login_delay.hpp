// RFC 2449 6.5: the shortest time between two logins of an account.
#pragma once

#include <chrono>
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

  /// nullopt: the account may log in, and its delay begins. Else how long it has to wait, at least
  /// a second; a refused attempt does not make that longer.
  std::optional<std::chrono::seconds> admit(store::AccountId account, MonoTime now) {
    if (delay_.count() == 0) return std::nullopt;
    if (now - turned_ >= delay_) {
      older_ = std::exchange(newer_, {});
      turned_ = now;
    }
    for (const auto* logins : {&newer_, &older_}) {
      const auto last = logins->find(store::raw(account));
      if (last == logins->end() || now - last->second >= delay_) continue;
      return std::chrono::ceil<std::chrono::seconds>(delay_ - (now - last->second));
    }
    newer_[store::raw(account)] = now;
    return std::nullopt;
  }

 private:
  using Logins = std::unordered_map<std::uint64_t, MonoTime>;

  const std::chrono::seconds delay_;
  // Two generations, so that old entries go without a search: what is in the older one when it is
  // dropped has been there for at least a delay.
  Logins newer_;
  Logins older_;
  MonoTime turned_{};
};

}  // namespace postern::gateway

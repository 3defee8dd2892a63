// What LOGIN and AUTHENTICATE do once they have a name and a password: ask, welcome, or delay and
// count.
#pragma once

#include <string>
#include <string_view>

#include "sidecars/imap/context.hpp"

namespace postern::imap {

/// One attempt, part of a command.
class LoginAttempt {
 public:
  /// Asks the store. `mechanism` is static text for the observer.
  Progress begin(Context& context, std::string user, std::string password,
                 std::string_view mechanism);
  Progress on_reply(Context& context, sidecars::LoginReply reply);
  /// The failure is waiting for its delay to pass: failed() answers it.
  bool waits() const noexcept { return waits_; }
  Progress failed(Context& context);

 private:
  std::string user_;
  std::string_view mechanism_;
  bool waits_ = false;
  bool undecided_ = false;  // the gateway could not say whether it was right
};

}  // namespace postern::imap

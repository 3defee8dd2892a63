// What one POP3 listener means to its sessions. Shared by all of them, immutable; a reload makes a
// new one.
#pragma once

#include <chrono>
#include <string>

#include "sidecars/pop3/limits.hpp"
#include "store/account_settings.hpp"
#include "store/config/settings.hpp"

namespace postern::pop3 {

struct Pop3Profile {
  config::Pop3Settings settings;  ///< limits and timers ([pop3]); `listeners` is not read
  config::MailboxListenerSettings listener;  ///< the listener the connection arrived at
  store::MailboxPolicy policy;               ///< of accounts without settings of their own
  /// command_octets_max is obeyed below RFC 2449's 255 octets, too: profile "exchange".
  bool exact_command_limit = false;
  std::string hostname;        ///< named in the greeting; empty: not named
  bool tls_available = false;  ///< a certificate is loaded: STLS can work
  /// Delay before the answer to a failed login (zero: none).
  std::chrono::milliseconds failed_login_delay = kFailedLoginDelay;
};

}  // namespace postern::pop3

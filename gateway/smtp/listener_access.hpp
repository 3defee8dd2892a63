// Who may use a listener once connected: accounts, mechanisms, and networks that need no login.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/config/settings.hpp"

namespace postern::smtp {

/// Part of a profile. Immutable.
struct ListenerAccess {
  std::vector<std::string> users;  ///< accounts and "@domain"s; empty: all
  std::vector<std::string> mechanisms{"PLAIN", "LOGIN"};
  bool trusted_relay = false;  ///< trusted clients count as if they had logged in

  static ListenerAccess make(const config::SmtpListenerSettings& settings);
  /// Whether the account `identity` may use this listener (SMTP-15).
  bool admits(std::string_view identity) const noexcept;
  /// Whether AUTH offers `mechanism`, in any case of letters.
  bool offers(std::string_view mechanism) const noexcept;
  /// For the EHLO reply: "PLAIN LOGIN".
  std::string mechanism_list() const;
};

}  // namespace postern::smtp

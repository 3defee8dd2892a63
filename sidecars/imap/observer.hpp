// What the driver learns from a session, to log and to count. The session itself logs nothing.
#pragma once

#include <cstdint>
#include <string_view>

namespace postern::imap {

/// Why a session ended.
enum class EndReason : std::uint8_t {
  logout,           ///< LOGOUT
  client_closed,    ///< end of input without LOGOUT
  login_timeout,    ///< not authenticated in time (IMAP-19)
  inactivity,       ///< autologout (IMAP-19)
  login_failures,   ///< too many failed logins (IMAP-46)
  protocol_errors,  ///< too many commands answered BAD, or an unbounded one
  mailbox_gone,     ///< the selected mailbox was deleted
  store_failure,    ///< a body could not be read in the middle of a literal
  shutdown,         ///< the process stops
};

/// Short stable name for logs and metric labels.
std::string_view to_string(EndReason reason) noexcept;

/// Called on the session's thread, from inside its event functions: must not call back into the
/// session. Views are valid during the call.
class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  /// `mechanism` is "LOGIN" or the SASL name.
  virtual void login_succeeded(std::string_view account, std::string_view mechanism) = 0;
  /// `user` is what the client sent: escape it before it is logged.
  virtual void login_failed(std::string_view user, std::string_view mechanism) = 0;
  virtual void mailbox_selected(std::string_view mailbox, bool read_only, std::size_t messages) = 0;
  /// Once, when the session sets output().close.
  virtual void session_ended(EndReason reason) = 0;
};

}  // namespace postern::imap

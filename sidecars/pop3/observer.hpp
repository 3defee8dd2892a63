// What a POP3 session tells about itself. The session logs and counts nothing; whoever drives it
// does, through this interface.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/session.hpp"
#include "store/types.hpp"

namespace postern::pop3 {

/// A login that was decided.
struct LoginEvent {
  std::string_view user;       ///< as the client gave it; untrusted octets. Valid during the call
  std::string_view mechanism;  ///< "USER", "PLAIN" or "LOGIN"
  const PeerFacts& peer;
  bool tls = false;  ///< the connection was encrypted
};

/// Why a session ended.
enum class EndReason : std::uint8_t {
  quit,            ///< QUIT, answered +OK
  update_failed,   ///< QUIT, but marked messages could not be removed
  client_gone,     ///< the client closed, or the driver dropped the session without a further event
  autologout,      ///< an inactivity timer ran out (POP-09, POP-10)
  logon_failures,  ///< too many failed logins
  bad_commands,    ///< too many unreadable commands, or an endless line
  commands_max,    ///< more commands than a session may have
  shutdown,        ///< the process is stopping
  body_unreadable,  ///< the store failed in the middle of a message
};

/// The name of a reason as logs and metric labels show it: "quit", "update_failed" ...
std::string_view name_of(EndReason reason) noexcept;

/// A session's account of itself.
struct SessionSummary {
  EndReason reason = EndReason::client_gone;
  std::string account;                 ///< canonical account name; empty: never logged in
  bool tls = false;                    ///< encrypted at the end
  std::uint64_t retrieved_count = 0;   ///< RETRs answered to the end
  std::uint64_t retrieved_octets = 0;  ///< message octets of those, before byte-stuffing
  std::uint64_t top_count = 0;         ///< TOPs answered to the end
  std::uint64_t deleted_count = 0;     ///< messages that UPDATE removed
};

/// Implemented by the driver. Called on the session's thread, from within a call of the session;
/// must not call back into the session. Must outlive the session (its destructor reports
/// `client_gone` if nothing else ended it).
class Pop3Observer {
 public:
  virtual ~Pop3Observer() = default;
  /// The password was right and the maildrop is open.
  virtual void on_login(const LoginEvent& event, std::string_view account) = 0;
  /// The password was wrong or the user unknown. The answer to the client is still held back.
  virtual void on_login_failed(const LoginEvent& event) = 0;
  /// Once per session that was opened.
  virtual void on_session_end(const PeerFacts& peer, const SessionSummary& summary) = 0;
};

}  // namespace postern::pop3

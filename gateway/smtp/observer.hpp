// What a session tells its driver about, for the log and the counters. The session itself logs
// nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/time.hpp"
#include "store/spool.hpp"

namespace postern::smtp {

/// Why a session ended.
enum class EndReason : std::uint8_t {
  quit,                ///< the client said QUIT
  client_closed,       ///< the client closed without QUIT, or the connection broke
  inactivity_timeout,  ///< SMTP-05
  connection_timeout,  ///< SMTP-04
  protocol_errors,     ///< SMTP-12
  logon_failures,      ///< SMTP-12
  transactions,        ///< more MAIL commands than a session may have (RFC 9422)
  not_smtp,            ///< HTTP or a TLS handshake on the plain port
  pipelining,          ///< input behind a command that must be the last of its group (RFC 2920)
  rate_limited,        ///< SMTP-09
  early_talker,        ///< octets before the greeting
  slow_data,           ///< a message came below the lowest rate
  bad_chunk,           ///< a BDAT size that does not parse: the stream cannot be followed any more
  refused,             ///< on_refused(): not admitted in the first place
  shutdown,            ///< on_shutdown()
};
/// Name for logs and metric labels, "inactivity_timeout".
std::string_view name_of(EndReason reason) noexcept;

/// A session in one line. Views are valid during the call.
struct SessionSummary {
  EndReason reason = EndReason::quit;
  std::string_view hello;     ///< EHLO or HELO argument, empty if none
  std::string_view identity;  ///< authenticated account, empty if none
  std::uint32_t messages_accepted = 0;
  std::uint32_t messages_refused = 0;
  std::uint32_t recipients_refused = 0;
  std::uint32_t protocol_errors = 0;
  std::uint32_t logon_failures = 0;
  std::uint32_t commands = 0;
};

enum class AuthEvent : std::uint8_t {
  ok,
  failed,
  unavailable,
  not_here,  ///< the password was right, and the listener is not for this account
};

/// "ok", "bad_credentials", "unavailable", "not_here": for logs.
std::string_view name_of(AuthEvent event) noexcept;

/// Implemented by the driver, per connection or per core. Called on the core's thread, from inside
/// the session's event functions; must not call the session back. `reply` texts are the lines sent
/// to the client, without CRLF. Every view is valid during the call only.
class SmtpObserver {
 public:
  virtual ~SmtpObserver() = default;
  /// A message is durable and its 250 is in the output. `message` carries id, envelope and size.
  virtual void on_message_accepted(const store::SpoolRequest& /*message*/) {}
  /// A message was sent again and answered with the id that it got the first time; nothing was
  /// stored. `message` is the one that came now.
  virtual void on_message_repeated(const store::SpoolRequest& /*message*/,
                                   std::string_view /*first_id*/) {}
  /// A message that the client sent (DATA or BDAT LAST, or a failing BDAT) was refused with
  /// `reply`.
  virtual void on_message_refused(const store::SpoolRequest& /*message*/,
                                  std::string_view /*reply*/) {}
  /// MAIL was refused with `reply` (a policy answer, not a syntax error).
  virtual void on_sender_refused(std::string_view /*argument*/, std::string_view /*reply*/) {}
  /// RCPT was refused with `reply` (a policy answer, not a syntax error).
  virtual void on_recipient_refused(std::string_view /*address*/, std::string_view /*reply*/) {}
  /// An AUTH exchange was answered. `user` is the account when ok, else what the client claimed to
  /// be.
  virtual void on_auth(std::string_view /*mechanism*/, std::string_view /*user*/, AuthEvent) {}
  /// The session is over; called once, before its last octets are sent.
  virtual void on_session_end(const SessionSummary&) {}
};

}  // namespace postern::smtp

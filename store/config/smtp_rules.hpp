// What an SMTP listener does with messages and parameters beyond its limits: strictness, submission
// rules, extensions. Part of SmtpListenerSettings; the keys are in bind_smtp_rules.cpp.
#pragma once

#include <chrono>
#include <cstdint>

namespace postern::config {

/// What becomes of a CR or LF that is not part of CRLF.
enum class LineEndPolicy : std::uint8_t {
  reject,     ///< the message is refused (550 5.6.11), the command is an error
  normalize,  ///< it becomes CRLF
  allow,      ///< it is kept as it is
};

/// What becomes of NUL octets in a message that is not BODY=BINARYMIME.
enum class NulPolicy : std::uint8_t { reject, allow };

/// Keys of [[gateway.listener]].
struct SmtpRuleSettings {
  // --- strictness ---
  LineEndPolicy bare_newline = LineEndPolicy::reject;
  NulPolicy nul_octets = NulPolicy::reject;
  /// Input behind a command that must be the last of its group (RFC 2920 3.1) ends the session.
  bool pipelining_strict = true;
  /// `trusted` clients may say for whom they speak (XCLIENT).
  bool xclient = false;

  // --- submission (RFC 6409) ---
  /// MAIL FROM must be an address of the authenticated account, or granted to it (default true for
  /// submission).
  bool sender_owned = false;
  bool add_missing_fields = false;   ///< Date and Message-ID (default true for submission)
  bool hide_client_address = false;  ///< no "from" in Received for authenticated clients
  bool remove_bcc = false;           ///< Bcc and Resent-Bcc fields are taken out
  /// How long a message is remembered to recognise one sent again; 0: not at all (default 15
  /// minutes for submission: a client that lost the reply comes back within that).
  std::chrono::seconds duplicate_window{0};

  // --- extensions ---
  bool binarymime = true;    ///< BINARYMIME (RFC 3030)
  bool dsn = false;          ///< DSN (RFC 3461)
  bool require_tls = false;  ///< REQUIRETLS (RFC 8689), within TLS
  bool mt_priority = false;  ///< MT-PRIORITY (RFC 6710)
  bool deliver_by = false;   ///< DELIVERBY (RFC 2852)
  /// FUTURERELEASE (RFC 4865) for authenticated clients: longest hold; 0: not offered.
  std::chrono::seconds hold_max{0};

  friend bool operator==(const SmtpRuleSettings&, const SmtpRuleSettings&) = default;
};

}  // namespace postern::config

// The trace header that a message gets when it is received (RFC 5321 4.4): Return-Path and
// Received.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/session.hpp"

namespace postern::smtp {

/// What a Received field says.
struct ReceivedFacts {
  std::string_view hello_name;
  std::string_view address;  ///< of the client, textual; "unix" for a Unix socket
  bool is_ipv6 = false;
  bool hide_client = false;  ///< name and address are left out (the listener's hide_client_address)
  std::string_view hostname;  ///< of this server
  bool extended = false;      ///< EHLO was used
  bool authenticated = false;
  bool smtputf8 = false;
  const TlsFacts* tls = nullptr;  ///< null: clear text
  std::string_view id;
  std::string_view only_recipient;  ///< empty unless there is exactly one: others stay private
  std::int64_t unix_ms = 0;
};

/// "Return-Path: <...>" with CRLF.
void append_return_path(std::string& out, std::string_view reverse_path);
/// "Received: from ... by ... with ... id ... for ...; date", folded, with CRLF.
void append_received(std::string& out, const ReceivedFacts& facts);
/// The `with` keyword: RFC 3848 and RFC 6531 4.3.
std::string_view with_protocol(const ReceivedFacts& facts) noexcept;
/// RFC 5322 date-time in UTC: "Sat, 21 Nov 2026 14:30:00 +0000".
void append_date(std::string& out, std::int64_t unix_ms);

}  // namespace postern::smtp

// Textual socket addresses, and listening sockets made from them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "runtime/session.hpp"
#include "runtime/unique_fd.hpp"

namespace postern {

/// An IPv4 or IPv6 address with a port.
struct SocketAddress {
  std::string address;  ///< "127.0.0.1", "::1"; no brackets
  std::uint16_t port = 0;
  bool is_ipv6 = false;
  bool is_wildcard = false;  ///< 0.0.0.0 or ::

  /// Parses "1.2.3.4:25" or "[2001:db8::1]:25". Numeric only. Error: invalid_argument.
  static Result<SocketAddress> parse(std::string_view text);
  /// The form that parse() takes.
  std::string text() const;
};

/// Checks that nothing listens on `address` yet, which SO_REUSEPORT would silently share. Waits a
/// second for a port that is taken to become free. Start-up only: blocks. Errors: already_exists
/// (taken), permission_denied (a port below 1024), not_found (not an address of this machine).
Result<void> check_port_free(const SocketAddress& address);
/// Parses every text and checks that nothing listens there yet; the first error of either.
Result<std::vector<SocketAddress>> parse_free_addresses(const std::vector<std::string>& texts);
/// A listening TCP socket with SO_REUSEPORT and TCP_NODELAY (inherited by what it accepts).
Result<UniqueFd> listen_tcp(const SocketAddress& address, std::uint32_t backlog);
/// A listening Unix stream socket at `path`, mode 0600; a stale file is replaced if nobody answers
/// on it.
Result<UniqueFd> listen_unix(const std::string& path, std::uint32_t backlog);

/// Who is on the other end of `fd`. `listening` spares a system call when it is not a wildcard.
PeerFacts peer_facts(int fd, const SocketAddress& listening);

}  // namespace postern

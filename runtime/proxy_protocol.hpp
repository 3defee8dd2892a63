// The PROXY protocol's header, versions 1 and 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt):
// how a load balancer says which client it speaks for. Octets in, facts out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/ip_address.hpp"

namespace postern {

/// Longest header that is taken. Version 1 has 107 octets at most. Version 2 could have 65551, but
/// addresses and the usual TLVs are some hundred, and a client certificate in one a few thousand.
inline constexpr std::size_t kProxyHeaderOctetsMax = 16 * 1024;

/// Who connected to whom, as the proxy tells it.
struct ProxyHeader {
  /// The addresses of the connection itself hold: the proxy's own health check (LOCAL), or it does
  /// not know (UNKNOWN, UNSPEC, a Unix socket).
  bool use_connection = true;
  IpAddress source;
  IpAddress destination;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
};

/// What the octets received so far are.
struct ProxyParse {
  enum class State : std::uint8_t { incomplete, complete, malformed };
  State state = State::incomplete;
  ProxyHeader header;           ///< when complete
  std::size_t size_octets = 0;  ///< when complete: the header's; what follows is the client's
  const char* error = "";       ///< when malformed: why, for the log
};

/// Looks at everything received from the start of the connection. Malformed as soon as it cannot
/// become a header any more, so whoever speaks without one is not waited for. TLVs of version 2 are
/// skipped; a checksum (PP2_TYPE_CRC32C) is verified.
ProxyParse parse_proxy_header(std::string_view octets);

/// CRC-32C (RFC 9260 appendix A) of `octets`.
std::uint32_t crc32c(std::string_view octets, std::uint32_t previous = 0) noexcept;

}  // namespace postern

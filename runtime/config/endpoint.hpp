// "address:port" as text and back. Numeric addresses only: nothing here asks a name server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace postern::config {

/// A numeric address and a port.
struct Endpoint {
  std::string address;  ///< canonical text without brackets: "127.0.0.1", "::1"
  std::uint16_t port = 0;
  bool is_ipv6 = false;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// Reads "127.0.0.1:25" or "[::1]:25", port 1 to 65535. invalid_argument: the message says what is
/// missing.
Result<Endpoint> parse_endpoint(std::string_view text);

/// "127.0.0.1:25", "[::1]:25".
std::string format_endpoint(std::string_view address, std::uint16_t port);

/// A numeric address without port and brackets in canonical text; invalid_argument if it is none.
Result<Endpoint> parse_address(std::string_view text);

}  // namespace postern::config

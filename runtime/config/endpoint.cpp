#include "runtime/config/endpoint.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <fmt/format.h>

namespace postern::config {

Result<Endpoint> parse_address(std::string_view text) {
  Endpoint out;
  const std::string terminated(text);
  in6_addr octets{};  // the larger of the two
  out.is_ipv6 = text.find(':') != std::string_view::npos;
  const int family = out.is_ipv6 ? AF_INET6 : AF_INET;
  char canonical[INET6_ADDRSTRLEN];
  // An embedded NUL would hide what follows it from inet_pton().
  if (terminated.find('\0') != std::string::npos ||
      ::inet_pton(family, terminated.c_str(), &octets) != 1 ||
      ::inet_ntop(family, &octets, canonical, sizeof canonical) == nullptr) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is not a numeric IPv4 or IPv6 address", text));
  }
  out.address = canonical;
  return out;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || (bracketed && text.rfind(']') != colon - 1)) {
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' has no port", text));
  }
  std::string_view host = text.substr(0, colon);
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' has an IPv6 address without brackets", text));
  }
  if (bracketed && host.find(':') == std::string_view::npos) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' has brackets around something that is not IPv6", text));
  }
  auto endpoint = parse_address(host);
  if (!endpoint) return endpoint;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint->port);
  if (error != std::errc{} || end != port.data() + port.size() || endpoint->port == 0) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is not a port from 1 to 65535", port));
  }
  return endpoint;
}

std::string format_endpoint(std::string_view address, std::uint16_t port) {
  const bool ipv6 = address.find(':') != std::string_view::npos;
  return ipv6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

}  // namespace postern::config

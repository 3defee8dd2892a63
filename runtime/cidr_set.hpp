// A set of IP networks, asked once a connection: who may connect, who is trusted, who is a proxy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/ip_address.hpp"
#include "runtime/result.hpp"

namespace postern {

/// One network: "192.0.2.0/24", "2001:db8::/32", or a single address.
struct CidrRange {
  IpAddress first;
  IpAddress last;

  /// Takes CIDR notation (RFC 4632 3.1) or one address. An IPv6 network inside ::ffff:0:0/96 is the
  /// IPv4 network it maps. Error: invalid_argument, which says what is wrong; bits set behind the
  /// prefix are wrong too, for they show that something else was meant.
  static Result<CidrRange> parse(std::string_view text);
};

/// Immutable after make(); any thread may ask. IPv4 and IPv6 are apart: ::/0 holds no IPv4 client,
/// whose address is compared as IPv4 even if it arrived v4-mapped.
class CidrSet {
 public:
  CidrSet() = default;
  /// Error: that of the first text that is no network.
  static Result<CidrSet> make(const std::vector<std::string>& texts);

  bool empty() const noexcept { return ipv4_.empty() && ipv6_.empty(); }
  /// Binary search over ranges that do not overlap.
  bool contains(const IpAddress& address) const noexcept;

 private:
  std::vector<CidrRange> ipv4_;
  std::vector<CidrRange> ipv6_;
};

}  // namespace postern

// An IP address as octets: what ranges are made of and connections are counted by.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

/// An IPv4 or IPv6 address, 16 octets. IPv4 is kept in its v4-mapped form (RFC 4291 2.5.5.2), so an
/// IPv4 client compares equal however its address was written.
class IpAddress {
 public:
  using Octets = std::array<std::uint8_t, 16>;

  /// ::, which is no client's address.
  IpAddress() = default;
  explicit IpAddress(const Octets& octets) : octets_(octets) {}
  /// The IPv4 address a.b.c.d, in network order.
  static IpAddress from_ipv4(const std::array<std::uint8_t, 4>& octets);
  /// Numeric text without brackets or scope; nullopt if it is none.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_ipv4() const noexcept;
  const Octets& octets() const noexcept { return octets_; }
  /// The first address of the network of `bits` bits around this one: 0 to 32 for IPv4, 0 to 128
  /// for IPv6.
  IpAddress network(std::uint32_t bits) const;
  /// The last address of that network.
  IpAddress broadcast(std::uint32_t bits) const;
  /// Canonical text: "192.0.2.1", "2001:db8::1".
  std::string text() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  Octets octets_{};
};

/// For unordered containers. Seeded per process: a client that owns a whole IPv6 prefix cannot
/// choose addresses that meet in one bucket.
struct IpAddressHash {
  std::size_t operator()(const IpAddress& address) const noexcept;
};

}  // namespace postern

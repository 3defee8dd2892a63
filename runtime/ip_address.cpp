#include "runtime/ip_address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <random>

#include "runtime/assert.hpp"

namespace postern {

namespace {

constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
// Where an IPv4 address begins in its mapped form.
constexpr std::uint32_t kMappedBits = 96;

/// The bits of octet `index` that lie inside the first `bits` bits.
std::uint8_t mask_of(std::size_t index, std::uint32_t bits) {
  const auto begin = static_cast<std::uint32_t>(index) * 8;
  if (bits >= begin + 8) return 0xff;
  if (bits <= begin) return 0;
  return static_cast<std::uint8_t>(0xff << (8 - (bits - begin)));
}

std::uint64_t process_seed() {
  static const std::uint64_t kSeed = [] {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32) | device();
  }();
  return kSeed;
}

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

}  // namespace

IpAddress IpAddress::from_ipv4(const std::array<std::uint8_t, 4>& octets) {
  IpAddress result;
  std::copy(std::begin(kMappedPrefix), std::end(kMappedPrefix), result.octets_.begin());
  std::copy(octets.begin(), octets.end(), result.octets_.begin() + sizeof kMappedPrefix);
  return result;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof terminated || text.find('\0') != text.npos) {
    return std::nullopt;
  }
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  if (text.find(':') == text.npos) {
    std::array<std::uint8_t, 4> octets{};
    if (::inet_pton(AF_INET, terminated, octets.data()) != 1) return std::nullopt;
    return from_ipv4(octets);
  }
  IpAddress result;
  if (::inet_pton(AF_INET6, terminated, result.octets_.data()) != 1) return std::nullopt;
  return result;
}

bool IpAddress::is_ipv4() const noexcept {
  return std::equal(std::begin(kMappedPrefix), std::end(kMappedPrefix), octets_.begin());
}

IpAddress IpAddress::network(std::uint32_t bits) const {
  POSTERN_ASSERT(bits <= (is_ipv4() ? 32U : 128U));
  if (is_ipv4()) bits += kMappedBits;
  IpAddress result;
  for (std::size_t index = 0; index < octets_.size(); ++index) {
    result.octets_[index] = octets_[index] & mask_of(index, bits);
  }
  return result;
}

IpAddress IpAddress::broadcast(std::uint32_t bits) const {
  POSTERN_ASSERT(bits <= (is_ipv4() ? 32U : 128U));
  if (is_ipv4()) bits += kMappedBits;
  IpAddress result;
  for (std::size_t index = 0; index < octets_.size(); ++index) {
    const auto host = static_cast<std::uint8_t>(~mask_of(index, bits));
    result.octets_[index] = octets_[index] | host;
  }
  return result;
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = "";
  if (is_ipv4()) {
    ::inet_ntop(AF_INET, octets_.data() + sizeof kMappedPrefix, buffer, sizeof buffer);
  } else {
    ::inet_ntop(AF_INET6, octets_.data(), buffer, sizeof buffer);
  }
  return buffer;
}

std::size_t IpAddressHash::operator()(const IpAddress& address) const noexcept {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, address.octets().data(), sizeof high);
  std::memcpy(&low, address.octets().data() + sizeof high, sizeof low);
  return mix(mix(high ^ process_seed()) ^ low);
}

}  // namespace postern

// Fingerprints of messages, for recognising one that is sent again: 128 bits over any octets, the
// same however they are split.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace postern::smtp {

/// 128 bits. Two are equal by chance once in 2^64 messages.
struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

/// Not cryptographic: whoever knows the seed can make two contents with one fingerprint. The seed
/// is random per process and never leaves it, and fingerprints are compared within one identity
/// only: who could cheat could cheat himself. About two octets an instruction.
class ContentDigest {
 public:
  /// Begins anew.
  void start(std::uint64_t seed) noexcept;
  /// Takes octets; any split.
  void feed(std::string_view octets) noexcept;
  /// A field of its own: what stands in it cannot run into the next one.
  void feed_field(std::string_view octets) noexcept;
  Fingerprint finish() noexcept;

 private:
  static constexpr std::size_t kBlockOctets = 16;
  void mix(const char* block) noexcept;

  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
  std::uint64_t octets_ = 0;
  std::array<char, kBlockOctets> pending_{};
  std::size_t pending_octets_ = 0;
};

}  // namespace postern::smtp

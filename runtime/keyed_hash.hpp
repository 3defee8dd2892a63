// Digests for tables that strangers fill: without the key nobody can choose what collides.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace postern {

/// 128 bits that stand for an input. Equal digests are taken for equal inputs.
struct KeyedDigest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const KeyedDigest&, const KeyedDigest&) = default;
};

/// SipHash-2-4 under two keys. Immutable after construction: any thread.
class KeyedHash {
 public:
  /// With keys from the system's random generator.
  KeyedHash();
  /// `kind` separates inputs of different meaning (a source, an identity) and scope.
  KeyedDigest operator()(std::uint64_t kind, std::string_view input) const noexcept;

 private:
  std::array<std::array<std::uint64_t, 2>, 2> keys_{};
};

}  // namespace postern

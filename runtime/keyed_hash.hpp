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

/// SipHash-2-4 under two keys. Changed by assignment only: otherwise any thread.
class KeyedHash {
 public:
  /// Both keys. Secret: who has it can choose what collides.
  using Keys = std::array<std::array<std::uint64_t, 2>, 2>;

  /// With keys from the system's random generator.
  KeyedHash();
  /// With the keys of an earlier one, so that its digests mean the same again.
  explicit KeyedHash(const Keys& keys) : keys_(keys) {}
  const Keys& keys() const noexcept { return keys_; }
  /// `kind` separates inputs of different meaning (a source, an identity) and scope.
  KeyedDigest operator()(std::uint64_t kind, std::string_view input) const noexcept;

 private:
  Keys keys_{};
};

}  // namespace postern

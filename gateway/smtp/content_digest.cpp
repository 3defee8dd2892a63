#include "gateway/smtp/content_digest.hpp"

#include <algorithm>
#include <cstring>

namespace postern::smtp {

namespace {

// Odd numbers with mixed bits: fractions of square roots of primes, as in FIPS 180-4.
constexpr std::uint64_t kLow = 0x6A09E667F3BCC909;
constexpr std::uint64_t kHigh = 0xBB67AE8584CAA73B;

// Both halves of the 128-bit product: every bit of the result hangs on every bit of both.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

void ContentDigest::start(std::uint64_t seed) noexcept {
  low_ = seed ^ kLow;
  high_ = fold(seed ^ kHigh, kLow) ^ kHigh;
  octets_ = 0;
  pending_octets_ = 0;
}

// Both halves take both words, with different partners: a pair of blocks that collides in one does
// not in the other. The state is added, not multiplied in, so that a word of zero loses nothing.
void ContentDigest::mix(const char* block) noexcept {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::memcpy(&first, block, sizeof first);
  std::memcpy(&second, block + sizeof first, sizeof second);
  low_ = fold(low_ ^ first, kLow) + second;
  high_ = fold(high_ ^ second, kHigh) + first;
}

void ContentDigest::feed(std::string_view octets) noexcept {
  if (octets.empty()) return;
  octets_ += octets.size();
  if (pending_octets_ > 0) {
    const std::size_t take = std::min(kBlockOctets - pending_octets_, octets.size());
    std::memcpy(pending_.data() + pending_octets_, octets.data(), take);
    pending_octets_ += take;
    octets.remove_prefix(take);
    if (pending_octets_ < kBlockOctets) return;
    mix(pending_.data());
    pending_octets_ = 0;
  }
  while (octets.size() >= kBlockOctets) {
    mix(octets.data());
    octets.remove_prefix(kBlockOctets);
  }
  if (!octets.empty()) std::memcpy(pending_.data(), octets.data(), octets.size());
  pending_octets_ = octets.size();
}

void ContentDigest::feed_field(std::string_view octets) noexcept {
  const std::uint64_t size = octets.size();
  std::array<char, sizeof size> length;
  std::memcpy(length.data(), &size, sizeof size);
  feed(std::string_view(length.data(), length.size()));
  feed(octets);
}

Fingerprint ContentDigest::finish() noexcept {
  const std::uint64_t octets = octets_;
  if (pending_octets_ > 0) {
    std::fill(pending_.begin() + static_cast<std::ptrdiff_t>(pending_octets_), pending_.end(),
              '\0');
    mix(pending_.data());
    pending_octets_ = 0;
  }
  const std::uint64_t low = fold(low_ ^ octets, kHigh ^ high_);
  const std::uint64_t high = fold(high_ ^ octets, kLow ^ low_);
  return Fingerprint{.high = fold(high ^ kLow, kHigh), .low = fold(low ^ kHigh, kLow)};
}

}  // namespace postern::smtp

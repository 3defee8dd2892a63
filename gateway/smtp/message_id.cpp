#include "gateway/smtp/message_id.hpp"

#include <algorithm>
#include <string_view>

#include "runtime/assert.hpp"

namespace postern::smtp {

namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static_assert(kDigits.size() == 32);

constexpr std::uint32_t kCounterBits =
    12;  // four million ids a second and core before ids run ahead
constexpr std::uint32_t kTagBits = 8;
constexpr std::uint32_t kCoreBits = 8;
constexpr std::uint32_t kLowBits = kCounterBits + kTagBits + kCoreBits;
constexpr std::uint32_t kTimeDigits = 9;  // 45 bits hold the 42 of the time
constexpr std::uint32_t kLowDigits =
    5;  // 25 of the low bits; the other 3 share the time's last digit
static_assert(kTimeDigits + kLowDigits == MessageIdGenerator::kLength);
static_assert(kLowBits == 28);

// Spreads the start time over the tag's bits (the finaliser of a 64-bit multiplicative hash).
std::uint32_t tag_of(std::int64_t start_unix_ms) {
  auto mixed = static_cast<std::uint64_t>(start_unix_ms) * 0x9E3779B97F4A7C15ull;
  return static_cast<std::uint32_t>(mixed >> (64 - kTagBits));
}

}  // namespace

MessageIdGenerator::MessageIdGenerator(std::uint32_t core, std::int64_t start_unix_ms)
    : last_ms_(static_cast<std::uint64_t>(start_unix_ms)),
      suffix_((tag_of(start_unix_ms) << kCoreBits) | core) {
  POSTERN_ASSERT(core < (1u << kCoreBits));
}

void MessageIdGenerator::next(Now now, std::string& id) {
  const auto now_ms = static_cast<std::uint64_t>(now.unix_ms);
  if (now_ms > last_ms_) {
    last_ms_ = now_ms;
    counter_ = 0;
  } else if (++counter_ == (1u << kCounterBits)) {
    ++last_ms_;
    counter_ = 0;
  }
  const std::uint64_t low =
      (static_cast<std::uint64_t>(counter_) << (kTagBits + kCoreBits)) | suffix_;
  std::uint64_t high = (last_ms_ << 3) | (low >> 25);
  std::uint64_t rest = low & ((1u << 25) - 1);
  id.resize(kLength);
  for (std::size_t i = kLength; i-- > kTimeDigits; rest >>= 5) id[i] = kDigits[rest & 31];
  for (std::size_t i = kTimeDigits; i-- > 0; high >>= 5) id[i] = kDigits[high & 31];
}

}  // namespace postern::smtp

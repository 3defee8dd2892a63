#include "gateway/policy/login_memory.hpp"

#include <algorithm>
#include <chrono>

#include "store/octet_codec.hpp"

namespace postern::policy {

namespace {

constexpr std::string_view kMagic = "PostLog1";
constexpr std::size_t kHeaderOctets = kMagic.size() + 4 * 8 + 4;
constexpr std::size_t kEntryOctets = 3 * 8;
constexpr std::size_t kSumOctets = 2 * 8;
// No digest of a login has it: those have a Counted in their first octet.
constexpr std::uint64_t kSumKind = ~std::uint64_t{0};

static_assert(kHeaderOctets + kLoginsSavedMax * kEntryOctets + kSumOctets <= kLoginMemoryOctetsMax);

}  // namespace

std::string encode(const LoginMemory& memory, std::int64_t unix_ms) {
  std::string out;
  out.reserve(kHeaderOctets + memory.known.size() * kEntryOctets + kSumOctets);
  out += kMagic;
  for (const auto& key : memory.keys) {
    for (const std::uint64_t half : key) store::append_be(out, half);
  }
  store::append_be(out, static_cast<std::uint32_t>(memory.known.size()));
  for (const LoginGuard::Known& known : memory.known) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(known.left).count();
    store::append_be(out, known.pair.high);
    store::append_be(out, known.pair.low);
    store::append_be(out,
                     static_cast<std::uint64_t>(std::max<std::int64_t>(0, unix_ms + left)) / 1000);
  }
  const KeyedDigest sum = KeyedHash(memory.keys)(kSumKind, out);
  store::append_be(out, sum.high);
  store::append_be(out, sum.low);
  return out;
}

Result<LoginMemory> decode_login_memory(std::string_view octets, std::int64_t unix_ms) {
  if (octets.size() < kHeaderOctets + kSumOctets || !octets.starts_with(kMagic)) {
    return fail(ErrorCode::corrupted, "not a file of known logins");
  }
  store::OctetReader reader(octets.substr(kMagic.size()));
  LoginMemory memory;
  for (auto& key : memory.keys) {
    for (std::uint64_t& half : key) half = reader.number<std::uint64_t>();
  }
  const std::size_t count = reader.number<std::uint32_t>();
  if (reader.remaining() != count * kEntryOctets + kSumOctets) {
    return fail(ErrorCode::corrupted, "the file of known logins has another length than it says");
  }
  const KeyedDigest sum =
      KeyedHash(memory.keys)(kSumKind, octets.substr(0, octets.size() - kSumOctets));
  const auto now_s = static_cast<std::uint64_t>(std::max<std::int64_t>(0, unix_ms) / 1000);
  for (std::size_t i = 0; i < count; ++i) {
    LoginGuard::Known known;
    known.pair.high = reader.number<std::uint64_t>();
    known.pair.low = reader.number<std::uint64_t>();
    const auto until_s = reader.number<std::uint64_t>();
    if (until_s <= now_s) continue;
    // A clock that was set back must not make anybody known for longer; LoginGuard sees to that.
    const std::uint64_t left_s = std::min<std::uint64_t>(until_s - now_s, 365 * 86'400);
    known.left = std::chrono::seconds(left_s);
    memory.known.push_back(known);
  }
  const KeyedDigest written{.high = reader.number<std::uint64_t>(),
                            .low = reader.number<std::uint64_t>()};
  if (written != sum) return fail(ErrorCode::corrupted, "the file of known logins is damaged");
  return memory;
}

}  // namespace postern::policy

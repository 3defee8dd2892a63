#include "store/password.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <fmt/format.h>
#include <openssl/base64.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <optional>
#include <vector>

namespace postern::store {

namespace {

constexpr std::size_t kSaltOctets = 16;
constexpr std::size_t kHashOctets = 32;

// Bounds on a cost, given or stored: a damaged directory row must not make a login take all memory.
// 2^20 at r=8 is 1 GiB.
constexpr std::uint32_t kLog2NMin = 10;
constexpr std::uint32_t kLog2NMax = 20;
constexpr std::uint32_t kRMax = 16;
constexpr std::uint32_t kPMax = 4;

struct ParsedHash {
  ScryptCost cost;
  std::vector<std::uint8_t> salt;
  std::vector<std::uint8_t> hash;
};

bool is_sane(const ScryptCost& cost) {
  return cost.log2_n >= kLog2NMin && cost.log2_n <= kLog2NMax && cost.r >= 1 && cost.r <= kRMax &&
         cost.p >= 1 && cost.p <= kPMax;
}

std::string to_base64(const std::uint8_t* octets, std::size_t count) {
  std::string out(count / 3 * 4 + 5, '\0');
  const std::size_t length =
      EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(out.data()), octets, count);
  out.resize(length);
  while (out.ends_with('=')) out.pop_back();
  return out;
}

std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
  std::string padded(text);
  padded.append((4 - padded.size() % 4) % 4, '=');
  std::vector<std::uint8_t> out(padded.size() / 4 * 3 + 3);
  std::size_t length = 0;
  if (EVP_DecodeBase64(out.data(), &length, out.size(),
                       reinterpret_cast<const std::uint8_t*>(padded.data()), padded.size()) != 1) {
    return std::nullopt;
  }
  out.resize(length);
  return out;
}

/// Takes "<name><number>" and, unless it is the last, the delimiter behind it off `text`.
bool take_number(std::string_view& text, std::string_view name, char delimiter,
                 std::uint32_t& value) {
  if (!text.starts_with(name)) return false;
  text.remove_prefix(name.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(delimiter)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<ParsedHash> parse(std::string_view text) {
  constexpr std::string_view kScheme = "scrypt$";
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  ParsedHash parsed;
  if (!take_number(text, "ln=", ',', parsed.cost.log2_n) ||
      !take_number(text, "r=", ',', parsed.cost.r) ||
      !take_number(text, "p=", '$', parsed.cost.p)) {
    return std::nullopt;
  }
  const std::size_t middle = text.find('$');
  if (middle == std::string_view::npos) return std::nullopt;
  auto salt = from_base64(text.substr(0, middle));
  auto hash = from_base64(text.substr(middle + 1));
  if (!salt || !hash || salt->size() < 8 || salt->size() > 64 || hash->size() != kHashOctets ||
      !is_sane(parsed.cost)) {
    return std::nullopt;
  }
  parsed.salt = std::move(*salt);
  parsed.hash = std::move(*hash);
  return parsed;
}

Result<std::array<std::uint8_t, kHashOctets>> derive(std::string_view password,
                                                     const std::uint8_t* salt,
                                                     std::size_t salt_octets,
                                                     const ScryptCost& cost) {
  const std::uint64_t n = std::uint64_t{1} << cost.log2_n;
  // RFC 7914: N blocks and p more, each 128 * r octets, and working space.
  const std::size_t memory = 128 * std::size_t{cost.r} * (n + cost.p + 2) + 64 * 1024;
  std::array<std::uint8_t, kHashOctets> hash{};
  if (EVP_PBE_scrypt(password.data(), password.size(), salt, salt_octets, n, cost.r, cost.p, memory,
                     hash.data(), hash.size()) != 1) {
    return fail(ErrorCode::exhausted, "no memory for a password hash");
  }
  return hash;
}

}  // namespace

Result<std::string> hash_password(std::string_view password, ScryptCost cost) {
  if (password.empty() || password.size() > kPasswordOctetsMax) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("a password has 1 to {} octets", kPasswordOctetsMax));
  }
  if (!is_sane(cost)) return fail(ErrorCode::invalid_argument, "password hash cost out of range");
  std::array<std::uint8_t, kSaltOctets> salt{};
  RAND_bytes(salt.data(), salt.size());
  const auto hash = derive(password, salt.data(), salt.size(), cost);
  if (!hash) return std::unexpected(hash.error());
  return fmt::format("scrypt$ln={},r={},p={}${}${}", cost.log2_n, cost.r, cost.p,
                     to_base64(salt.data(), salt.size()), to_base64(hash->data(), hash->size()));
}

Result<bool> verify_password(std::string_view password, std::string_view stored) {
  const auto parsed = parse(stored);
  if (!parsed) return fail(ErrorCode::corrupted, "a stored password hash is malformed");
  if (password.size() > kPasswordOctetsMax) return false;
  const auto hash = derive(password, parsed->salt.data(), parsed->salt.size(), parsed->cost);
  if (!hash) return std::unexpected(hash.error());
  return CRYPTO_memcmp(hash->data(), parsed->hash.data(), hash->size()) == 0;
}

void spend_password_time(std::string_view password) {
  constexpr std::array<std::uint8_t, kSaltOctets> kSalt{};
  if (password.size() > kPasswordOctetsMax) return;  // a known user's would not be hashed either
  (void)derive(password, kSalt.data(), kSalt.size(), ScryptCost{});
}

}  // namespace postern::store

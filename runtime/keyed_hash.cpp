#include "runtime/keyed_hash.hpp"

#include <openssl/rand.h>
#include <openssl/siphash.h>

namespace postern {

KeyedHash::KeyedHash() { RAND_bytes(reinterpret_cast<std::uint8_t*>(keys_.data()), sizeof keys_); }

KeyedDigest KeyedHash::operator()(std::uint64_t kind, std::string_view input) const noexcept {
  // The kind goes into the key: as secret as before, and the input needs no copy.
  const auto digest = [&](const std::array<std::uint64_t, 2>& secret) {
    const std::uint64_t key[2] = {secret[0] ^ kind, secret[1]};
    return SIPHASH_24(key, reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  };
  return {.high = digest(keys_[0]), .low = digest(keys_[1])};
}

}  // namespace postern

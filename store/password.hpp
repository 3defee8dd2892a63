// Password hashes: scrypt (RFC 7914), as text "scrypt$ln=15,r=8,p=1$<salt>$<hash>", both in base64
// without padding. Memory-hard on purpose: call from worker threads only, never from a core.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace postern::store {

/// Cost of a new hash. 2^15 * 8 * 128 octets = 32 MiB and some 80 ms of one CPU: what interactive
/// logins bear, at a price that makes guessing stolen hashes slow. Stored hashes carry their own
/// cost.
struct ScryptCost {
  std::uint32_t log2_n = 15;
  std::uint32_t r = 8;
  std::uint32_t p = 1;
};

/// Longest password that is hashed: longer ones are refused before any work is done.
inline constexpr std::size_t kPasswordOctetsMax = 1024;

/// Hashes with a fresh 16-octet random salt. invalid_argument: empty or too long password, cost out
/// of range. exhausted: no memory.
Result<std::string> hash_password(std::string_view password, ScryptCost cost = {});

/// Whether `password` belongs to `stored`. Compares in constant time. A stored hash that does not
/// parse is an error (corrupted), a wrong password is false.
Result<bool> verify_password(std::string_view password, std::string_view stored);

/// Does the work of a default hash and throws it away, so that an unknown user takes as long as a
/// wrong password (SMTP-25: no enumeration by timing).
void spend_password_time(std::string_view password);

}  // namespace postern::store

// The file that keeps, over a restart, from which networks accounts have logged in.
//
//   "PostLog1"  keys (4 x be64)  count (be32)  count x [digest high, low (be64), until (be64, Unix
//   seconds)]  SipHash of all before it, under these keys (2 x be64)
//
// Neither names nor addresses are in it; but with its keys whoever holds the file can try which
// pairs are, so it is as private as the mail beside it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/policy/login_guard.hpp"
#include "runtime/keyed_hash.hpp"
#include "runtime/result.hpp"

namespace postern::policy {

/// Pairs in the file: 24 octets each, so it has at most 24 MiB. Beyond it those who logged in
/// lately are kept.
inline constexpr std::size_t kLoginsSavedMax = std::size_t{1} << 20;
/// Nothing larger is one of these files.
inline constexpr std::size_t kLoginMemoryOctetsMax = 64 + kLoginsSavedMax * 24;

struct LoginMemory {
  KeyedHash::Keys keys{};  ///< of the digests
  std::vector<LoginGuard::Known> known;
};

/// The file's octets at the given time of the wall clock.
std::string encode(const LoginMemory& memory, std::int64_t unix_ms);
/// What encode() was given, less the time that has passed since; pairs whose time is over are left
/// out. corrupted: other octets, or not all of them.
Result<LoginMemory> decode_login_memory(std::string_view octets, std::int64_t unix_ms);

}  // namespace postern::policy

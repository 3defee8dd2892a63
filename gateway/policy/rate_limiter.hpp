// Rates by key, exact across cores, without a lock or a shared cache line for whoever sends much.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "gateway/policy/rate_windows.hpp"
#include "runtime/keyed_table.hpp"
#include "runtime/time.hpp"

namespace postern::policy {

/// How many keys a RateLimiter knows.
struct RateLimiterOptions {
  std::uint32_t cores = 1;
  /// Keys counted at a time. One costs some 90 octets and 264 per window.
  std::size_t keys_max = 64 * 1024;
};

/// Counts events by key. What all cores admit together is counted in one table behind locks. A core
/// that counts an event takes a lease with it: credit it may use up without asking, counted as used
/// already, in a cache line of its own that others touch only to take unused credit back. Leases
/// are a fraction of what is left, so near the limit they are of one event; when nothing is left
/// the unused credit of all leases is collected before anyone is refused. A lease ends with its
/// slot. So exactly the limit is admitted, whatever cores the events are on.
///
/// Errors that are left: a core's clock is read once a turn of its loop, so an event may be counted
/// that much too early; credit comes back up to a slot late (RateWindows); and a key that was
/// pushed out of the full table begins anew. The table gives up whoever used the smallest part of
/// his limit: to push out a key at its limit, all other fifteen keys of its set must be at theirs.
class RateLimiter {
 public:
  explicit RateLimiter(RateLimiterOptions options);
  ~RateLimiter();
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  /// Counts `amount` events of `key` if all windows have room for all of them. One thread per
  /// `core` (0 .. cores-1). `windows` outlives the limiter and is the same for each use of a key.
  bool take(std::uint32_t core, const KeyedDigest& key, const RateWindows& windows,
            std::uint64_t amount, MonoTime now);
  /// Whether take() would count them now. Counts nothing.
  bool has_room(std::uint32_t core, const KeyedDigest& key, const RateWindows& windows,
                std::uint64_t amount, MonoTime now);

  /// Keys in the table; any thread.
  std::uint64_t keys() const noexcept { return table_.entries(); }
  /// Keys that were forgotten though they had used something up; any thread.
  std::uint64_t keys_forgotten() const noexcept { return table_.evictions(); }

 private:
  // Credit of a core for one key: what is left, and the slot in which it may be used.
  struct alignas(kCacheLineOctets) Lease {
    std::atomic<std::uint64_t> key_high{0};  // changed by the owner, under the lock of the key
    std::atomic<std::uint64_t> key_low{0};
    std::atomic<std::uint64_t> word{0};
  };
  struct Count;

  Lease& lease_of(std::uint32_t core, const KeyedDigest& key) noexcept;
  bool take_lease(Lease& lease, const KeyedDigest& key, std::int64_t slot,
                  std::uint64_t amount) noexcept;
  template <class Use>
  auto with_count(const KeyedDigest& key, const RateWindows& windows, MonoTime now, Use&& use);
  void vacate(Lease& lease, const KeyedDigest& key);
  void reclaim(const KeyedDigest& key, Count& count);

  const std::uint32_t cores_;
  KeyedTable<Count> table_;
  std::vector<std::unique_ptr<Lease[]>> leases_;  // one array a core
};

}  // namespace postern::policy

#include "gateway/policy/rate_limiter.hpp"

#include <algorithm>
#include <limits>

#include "runtime/assert.hpp"

namespace postern::policy {

namespace {

// Leases a core holds at a time, a cache line each: 64 KiB. Two busy keys that share one cost a
// visit to the table each time they alternate.
constexpr std::size_t kLeases = 1024;

// A lease's word: 28 bits of its slot's number, 36 of credit. A slot's number comes again after 97
// days at the shortest; a lease that waited for that long untouched would be used in error once.
constexpr int kCreditBits = 36;
constexpr std::uint64_t kCreditMax = (1ull << kCreditBits) - 1;
constexpr std::int64_t kSlotMask = (1ll << (64 - kCreditBits)) - 1;

constexpr std::uint64_t pack(std::int64_t slot, std::uint64_t credit) noexcept {
  return static_cast<std::uint64_t>(slot & kSlotMask) << kCreditBits | credit;
}
constexpr std::uint64_t credit_of(std::uint64_t word) noexcept { return word & kCreditMax; }
constexpr std::int64_t slot_of(std::uint64_t word) noexcept {
  return static_cast<std::int64_t>(word >> kCreditBits);
}

}  // namespace

/// What all cores counted for one key. Touched under the table's lock.
struct RateLimiter::Count {
  const RateWindows* windows = nullptr;
  std::int64_t slot = 0;      // the newest slot seen, of the shortest window
  std::uint64_t holders = 0;  // bit c % 64: core c may hold a lease
  std::array<std::uint64_t, RateWindows::kWindowsMax> sums{};
  std::unique_ptr<std::uint64_t[]> slots;  // a ring a window

  std::uint64_t& at(std::size_t window, std::int64_t slot_number) noexcept {
    const auto place = static_cast<std::size_t>(slot_number % RateWindows::kRing);
    return slots[window * RateWindows::kRing + place];
  }

  void begin(const RateWindows& with, std::int64_t now_slot) {
    windows = &with;
    slot = now_slot;
    slots = std::make_unique<std::uint64_t[]>(with.count() * RateWindows::kRing);
  }

  // Forgets what is a window old. A clock that is a little behind changes nothing.
  void advance(std::int64_t now_slot) noexcept {
    if (now_slot <= slot) return;
    for (std::size_t w = 0; w < windows->count(); ++w) {
      const std::int64_t unit = (*windows)[w].slots_per_slot;
      const std::int64_t from = slot / unit;
      const std::int64_t to = std::min(now_slot / unit, from + RateWindows::kRing);
      const std::int64_t newest = now_slot / unit;
      for (std::int64_t step = 1; step <= to - from; ++step) {
        std::uint64_t& count = at(w, newest - (to - from) + step);
        sums[w] -= count;
        count = 0;
      }
    }
    slot = now_slot;
  }

  void add(std::uint64_t amount) noexcept {
    for (std::size_t w = 0; w < windows->count(); ++w) {
      at(w, slot / (*windows)[w].slots_per_slot) += amount;
      sums[w] += amount;
    }
  }

  // Credit of a lease that was not used: nothing happened in its slot after all.
  void give_back(std::uint64_t word) noexcept {
    const std::uint64_t credit = credit_of(word);
    if (credit == 0) return;
    const std::int64_t lease_slot = slot - ((slot - slot_of(word)) & kSlotMask);
    for (std::size_t w = 0; w < windows->count(); ++w) {
      const std::int64_t unit = (*windows)[w].slots_per_slot;
      if (slot / unit - lease_slot / unit >= RateWindows::kRing) continue;  // forgotten already
      std::uint64_t& count = at(w, lease_slot / unit);
      const std::uint64_t unused = std::min(count, credit);  // more only after 97 days, see pack()
      count -= unused;
      sums[w] -= unused;
    }
  }

  std::uint64_t left() const noexcept {
    std::uint64_t left = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t w = 0; w < windows->count(); ++w) {
      const std::uint64_t limit = (*windows)[w].limit;
      left = std::min(left, limit > sums[w] ? limit - sums[w] : 0);
    }
    return left;
  }

  // 0: everything is forgotten. Else the largest part of a limit that is used, in 1/65536.
  std::uint64_t worth(MonoTime now) noexcept {
    if (windows == nullptr) return 0;
    advance(windows->slot_at(now));
    std::uint64_t most = 0;
    for (std::size_t w = 0; w < windows->count(); ++w) {
      if (sums[w] == 0) continue;
      const std::uint64_t part = (std::min(sums[w], (*windows)[w].limit) << 16);
      most = std::max(most, std::max<std::uint64_t>(1, part / (*windows)[w].limit));
    }
    return most;
  }
};

RateLimiter::RateLimiter(RateLimiterOptions options)
    : cores_(std::max(options.cores, 1U)), table_(options.keys_max) {
  for (std::uint32_t core = 0; core < cores_; ++core) {
    leases_.push_back(std::make_unique<Lease[]>(kLeases));
  }
}

RateLimiter::~RateLimiter() = default;

RateLimiter::Lease& RateLimiter::lease_of(std::uint32_t core, const KeyedDigest& key) noexcept {
  POSTERN_ASSERT(core < cores_);
  return leases_[core][key.low % kLeases];
}

bool RateLimiter::take_lease(Lease& lease, const KeyedDigest& key, std::int64_t slot,
                             std::uint64_t amount) noexcept {
  if (lease.key_high.load(std::memory_order_relaxed) != key.high ||
      lease.key_low.load(std::memory_order_relaxed) != key.low) {
    return false;
  }
  std::uint64_t word = lease.word.load(std::memory_order_relaxed);
  while (slot_of(word) == (slot & kSlotMask) && credit_of(word) >= amount) {
    if (lease.word.compare_exchange_weak(word, word - amount, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

template <class Use>
auto RateLimiter::with_count(const KeyedDigest& key, const RateWindows& windows, MonoTime now,
                             Use&& use) {
  return table_.with(
      key, [now](Count& other) { return other.worth(now); },
      [this](const KeyedDigest& gone, Count& count) { reclaim(gone, count); },
      [&](Count& count) {
        const std::int64_t slot = windows.slot_at(now);
        if (count.windows == nullptr) count.begin(windows, slot);
        POSTERN_ASSERT(count.windows == &windows);
        count.advance(slot);
        return use(count);
      });
}

bool RateLimiter::take(std::uint32_t core, const KeyedDigest& key, const RateWindows& windows,
                       std::uint64_t amount, MonoTime now) {
  if (windows.off() || amount == 0) return true;
  Lease& lease = lease_of(core, key);
  if (take_lease(lease, key, windows.slot_at(now), amount)) return true;
  vacate(lease, key);
  return with_count(key, windows, now, [&](Count& count) {
    // What is left of the own lease goes back first: it may have ended, and it may be needed.
    count.give_back(lease.word.exchange(0, std::memory_order_relaxed));
    if (count.left() < amount) reclaim(key, count);
    const std::uint64_t left = count.left();
    if (left < amount) return false;
    const std::uint64_t share = std::min<std::uint64_t>(left / (2ull * cores_), kCreditMax);
    const std::uint64_t drawn = std::max(amount, share);
    count.add(drawn);
    count.holders |= 1ull << (core % 64);
    lease.key_high.store(key.high, std::memory_order_relaxed);
    lease.key_low.store(key.low, std::memory_order_relaxed);
    lease.word.store(pack(count.slot, drawn - amount), std::memory_order_relaxed);
    return true;
  });
}

bool RateLimiter::has_room(std::uint32_t core, const KeyedDigest& key, const RateWindows& windows,
                           std::uint64_t amount, MonoTime now) {
  if (windows.off()) return true;
  if (take_lease(lease_of(core, key), key, windows.slot_at(now), 0)) {
    const std::uint64_t word = lease_of(core, key).word.load(std::memory_order_relaxed);
    if (credit_of(word) >= std::max<std::uint64_t>(amount, 1)) return true;
  }
  return with_count(key, windows, now, [&](Count& count) {
    const std::uint64_t wanted = std::max<std::uint64_t>(amount, 1);
    if (count.left() < wanted) reclaim(key, count);
    return count.left() >= wanted;
  });
}

// Makes the line ready for `key`: the unused credit of the key that had it goes back.
void RateLimiter::vacate(Lease& lease, const KeyedDigest& key) {
  const KeyedDigest old{.high = lease.key_high.load(std::memory_order_relaxed),
                        .low = lease.key_low.load(std::memory_order_relaxed)};
  if (old == key) return;
  const auto clear = [&lease] {
    lease.key_high.store(0, std::memory_order_relaxed);
    lease.key_low.store(0, std::memory_order_relaxed);
    return lease.word.exchange(0, std::memory_order_relaxed);
  };
  if (old == KeyedDigest{}) return;
  // A key that is not in the table any more had its leases taken when it went.
  if (!table_.find(old, [&](Count& count) { count.give_back(clear()); })) clear();
}

// Takes the unused credit of all cores back. Under the key's lock: while a line has this key it
// keeps it.
void RateLimiter::reclaim(const KeyedDigest& key, Count& count) {
  for (std::uint32_t core = 0; core < cores_; ++core) {
    if ((count.holders >> (core % 64) & 1) == 0) continue;
    Lease& lease = lease_of(core, key);
    if (lease.key_high.load(std::memory_order_relaxed) != key.high ||
        lease.key_low.load(std::memory_order_relaxed) != key.low) {
      continue;
    }
    count.give_back(lease.word.exchange(0, std::memory_order_relaxed));
  }
  count.holders = 0;
}

}  // namespace postern::policy

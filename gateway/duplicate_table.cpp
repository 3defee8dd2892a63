#include "gateway/duplicate_table.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include "runtime/assert.hpp"
#include "runtime/spsc_queue.hpp"

namespace postern::gateway {

namespace {

struct Entry {
  enum class State : std::uint8_t { free, claimed, stored };
  smtp::Fingerprint message;
  MonoTime ends{};  // when it is forgotten
  State state = State::free;
  std::uint8_t id_octets = 0;
  std::array<char, DuplicateTable::kIdOctetsMax> id{};
};

constexpr std::size_t kEntriesPerBucket = 5;

}  // namespace

struct alignas(kCacheLineOctets) DuplicateTable::Bucket {
  std::atomic<bool> taken{false};
  std::array<Entry, kEntriesPerBucket> entries;

  Entry* find(const smtp::Fingerprint& message, MonoTime now) noexcept {
    for (Entry& entry : entries) {
      if (entry.state == Entry::State::free || entry.message != message) continue;
      if (now < entry.ends) return &entry;
      entry.state = Entry::State::free;
    }
    return nullptr;
  }
  /// The claim that was made with `id`; nullptr: it was not kept, or is given up. A message may
  /// have been claimed again since, by another session.
  Entry* claimed(const smtp::Fingerprint& message, std::string_view id) noexcept {
    for (Entry& entry : entries) {
      const bool fits = entry.state == Entry::State::claimed && entry.message == message;
      if (fits && id == std::string_view(entry.id.data(), entry.id_octets)) return &entry;
    }
    return nullptr;
  }
  /// For a new message: a free one, else one that is over, else the stored one that ends first.
  /// nullptr: all are being stored right now.
  Entry* room(MonoTime now) noexcept {
    Entry* oldest = nullptr;
    for (Entry& entry : entries) {
      if (entry.state == Entry::State::free || entry.ends <= now) return &entry;
      if (entry.state != Entry::State::stored) continue;
      if (oldest == nullptr || entry.ends < oldest->ends) oldest = &entry;
    }
    return oldest;
  }
};

namespace {

/// Holds a bucket. Whoever holds it does a few comparisons and never waits, so waiting is short.
class Holder {
 public:
  explicit Holder(std::atomic<bool>& taken) noexcept : taken_(taken) {
    while (taken_.exchange(true, std::memory_order_acquire)) {
      while (taken_.load(std::memory_order_relaxed)) {
      }
    }
  }
  ~Holder() { taken_.store(false, std::memory_order_release); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

 private:
  std::atomic<bool>& taken_;
};

}  // namespace

DuplicateTable::DuplicateTable(std::size_t entries_max, std::uint64_t seed) : seed_(seed) {
  POSTERN_ASSERT(entries_max > 0);
  const std::size_t buckets =
      std::bit_ceil((entries_max + kEntriesPerBucket - 1) / kEntriesPerBucket);
  mask_ = buckets - 1;
  buckets_ = std::make_unique<Bucket[]>(buckets);
}

DuplicateTable::~DuplicateTable() = default;

DuplicateTable::Bucket& DuplicateTable::bucket_of(const smtp::Fingerprint& message) const noexcept {
  return buckets_[message.low & mask_];
}

smtp::DuplicateMemory::Claim DuplicateTable::claim(const smtp::Fingerprint& message,
                                                   std::string& id, Now now) {
  Bucket& bucket = bucket_of(message);
  const Holder held(bucket.taken);
  if (const Entry* known = bucket.find(message, now.mono); known != nullptr) {
    if (known->state == Entry::State::claimed) return Claim::in_flight;
    id.assign(known->id.data(), known->id_octets);
    return Claim::repeated;
  }
  Entry* const entry = bucket.room(now.mono);
  // Five messages of one bucket are being stored at this moment: this one goes without.
  if (entry == nullptr || id.size() > kIdOctetsMax) return Claim::fresh;
  entry->message = message;
  entry->ends = now.mono + kClaimLifetime;
  entry->state = Entry::State::claimed;
  entry->id_octets = static_cast<std::uint8_t>(id.size());
  std::copy(id.begin(), id.end(), entry->id.begin());
  return Claim::fresh;
}

void DuplicateTable::remember(const smtp::Fingerprint& message, std::string_view id, Now now,
                              Duration lifetime) {
  Bucket& bucket = bucket_of(message);
  const Holder held(bucket.taken);
  Entry* const entry = bucket.claimed(message, id);
  if (entry == nullptr) return;
  entry->state = Entry::State::stored;
  entry->ends = now.mono + lifetime;
}

void DuplicateTable::release(const smtp::Fingerprint& message, std::string_view id) {
  Bucket& bucket = bucket_of(message);
  const Holder held(bucket.taken);
  if (Entry* const entry = bucket.claimed(message, id)) entry->state = Entry::State::free;
}

}  // namespace postern::gateway

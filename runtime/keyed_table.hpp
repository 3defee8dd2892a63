// A bounded memory of things by key, for any thread: what strangers did, counted or remembered.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/keyed_hash.hpp"
#include "runtime/spsc_queue.hpp"

namespace postern {

/// Sets of sixteen entries. A key belongs to one set, which nobody outside can predict (the digest
/// is keyed), and a full set gives up its least valuable entry. So memory is bounded, and whoever
/// wants to push a valuable entry out has to fill its whole set with more valuable ones.
///
/// Every access holds the lock of the key's set for a look at sixteen entries; two threads meet
/// only on neighbouring keys. Sets are allocated when first used and stay.
template <class Value>
class KeyedTable {
 public:
  static constexpr std::size_t kWays = 16;

  /// Holds at most `entries_max` entries, rounded up to a power of two of sets.
  explicit KeyedTable(std::size_t entries_max)
      : sets_(std::bit_ceil((entries_max + kWays - 1) / kWays)), locks_(kLocks) {}

  /// Calls `use(value)` for the entry of `key`, making an empty one if there is none. When the set
  /// is full the entry with the smallest `worth(value)` goes: 0 means that it holds nothing any
  /// more. `drop(key, value)` is told about an entry that goes, before it goes. All run under the
  /// set's lock and must not touch the table.
  template <class Worth, class Drop, class Use>
  auto with(const KeyedDigest& key, Worth&& worth, Drop&& drop, Use&& use) {
    const std::lock_guard lock(lock_of(key));
    auto& set = sets_[index_of(key)];
    if (!set) set = std::make_unique<Set>();
    return use(place(*set, key, worth, drop).value);
  }
  template <class Worth, class Use>
  auto with(const KeyedDigest& key, Worth&& worth, Use&& use) {
    return with(key, worth, [](const KeyedDigest&, Value&) {}, use);
  }

  /// Calls `use(value)` if there is an entry of `key`; says whether there was.
  template <class Use>
  bool find(const KeyedDigest& key, Use&& use) {
    const std::lock_guard lock(lock_of(key));
    const auto& set = sets_[index_of(key)];
    if (!set) return false;
    for (Entry& entry : set->entries) {
      if (!entry.used || entry.key != key) continue;
      use(entry.value);
      return true;
    }
    return false;
  }

  /// Calls `look(key, value)` for every entry, a set's lock at a time: entries that come and go
  /// meanwhile may be seen or not.
  template <class Look>
  void for_each(Look&& look) {
    for (std::size_t index = 0; index < sets_.size(); ++index) {
      const std::lock_guard lock(locks_[index % kLocks].mutex);
      if (!sets_[index]) continue;
      for (Entry& entry : sets_[index]->entries) {
        if (entry.used) look(entry.key, entry.value);
      }
    }
  }

  /// Entries that were pushed out while they held something. Any thread.
  std::uint64_t evictions() const noexcept { return evictions_.load(std::memory_order_relaxed); }
  /// Entries that were ever made and are still there, held something or not. Any thread.
  std::uint64_t entries() const noexcept { return entries_.load(std::memory_order_relaxed); }
  std::size_t entries_max() const noexcept { return sets_.size() * kWays; }

 private:
  static constexpr std::size_t kLocks = 256;
  struct Entry {
    KeyedDigest key{};
    bool used = false;
    Value value{};
  };
  struct Set {
    std::array<Entry, kWays> entries{};
  };
  struct alignas(kCacheLineOctets) Lock {
    std::mutex mutex;
  };

  std::size_t index_of(const KeyedDigest& key) const noexcept {
    return key.high & (sets_.size() - 1);
  }
  std::mutex& lock_of(const KeyedDigest& key) noexcept {
    return locks_[index_of(key) % kLocks].mutex;
  }

  template <class Worth, class Drop>
  Entry& place(Set& set, const KeyedDigest& key, Worth& worth, Drop& drop) {
    Entry* free = nullptr;
    for (Entry& entry : set.entries) {
      if (entry.used && entry.key == key) return entry;
      if (!entry.used && free == nullptr) free = &entry;
    }
    if (free == nullptr) {
      free = &least(set, worth);
      drop(free->key, free->value);
      free->value = Value{};
    } else {
      entries_.fetch_add(1, std::memory_order_relaxed);
    }
    free->key = key;
    free->used = true;
    return *free;
  }

  template <class Worth>
  Entry& least(Set& set, Worth& worth) {
    Entry* found = nullptr;
    std::uint64_t smallest = 0;
    for (Entry& entry : set.entries) {
      const std::uint64_t value = worth(entry.value);
      if (found != nullptr && value >= smallest) continue;
      found = &entry;
      smallest = value;
    }
    if (smallest != 0) evictions_.fetch_add(1, std::memory_order_relaxed);
    return *found;
  }

  std::vector<std::unique_ptr<Set>> sets_;
  std::vector<Lock> locks_;
  std::atomic<std::uint64_t> evictions_{0};
  std::atomic<std::uint64_t> entries_{0};
};

}  // namespace postern

// A bounded queue from one thread to one other thread, without a lock.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "runtime/assert.hpp"

namespace postern {

/// Fixed here and not taken from std::hardware_destructive_interference_size, whose value may
/// differ between translation units: two neighbouring 64-octet lines are fetched together on
/// x86-64, one line apart is what the measured cost needs.
inline constexpr std::size_t kCacheLineOctets = 64;

/// Single producer, single consumer, bounded. Each side keeps a private copy of the other's index
/// and reads the shared one only when that copy says full (or empty), so a busy queue moves one
/// cache line per turn and not per item. It rings no bell: see runtime/wake.hpp for how a sleeping
/// consumer is woken.
template <class T>
class SpscQueue {
 public:
  /// Holds at least `capacity` items (rounded up to a power of two), capacity > 0.
  explicit SpscQueue(std::size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1), slots_(std::make_unique<T[]>(mask_ + 1)) {
    POSTERN_ASSERT(capacity > 0);
  }
  SpscQueue(const SpscQueue&) = delete;
  SpscQueue& operator=(const SpscQueue&) = delete;

  /// Producer thread. false: full, `item` is untouched.
  bool try_push(T&& item) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return false;
    }
    slots_[tail & mask_] = std::move(item);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Consumer thread. false: empty, `item` is untouched.
  bool try_pop(T& item) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) return false;
    }
    item = std::move(slots_[head & mask_]);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  /// Consumer thread: nothing to pop at this moment.
  bool empty() const noexcept {
    return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_acquire);
  }

  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  const std::size_t mask_;
  const std::unique_ptr<T[]> slots_;
  alignas(kCacheLineOctets) std::atomic<std::size_t> tail_{0};  // written by the producer
  std::size_t head_seen_ = 0;                                   // producer's copy of head_
  alignas(kCacheLineOctets) std::atomic<std::size_t> head_{0};  // written by the consumer
  std::size_t tail_seen_ = 0;                                   // consumer's copy of tail_
};

}  // namespace postern

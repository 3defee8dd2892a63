// What every reader has certainly seen, and what table files can hold: together they say when a
// superseded row may disappear.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "store/types.hpp"

namespace postern::store {

/// Thread-safe, values only grow.
class ViewHorizon {
 public:
  /// Every registered view has reached `position`.
  void set_oldest_view(StorePosition position) noexcept { raise(oldest_view_, position); }
  StorePosition oldest_view() const noexcept {
    return oldest_view_.load(std::memory_order_acquire);
  }

  /// A flush of the tailed family begins: nothing in table files is newer than `position`.
  void set_flushing(StorePosition position) noexcept { raise(flushing_, position); }
  /// Whether every view has seen everything that is in table files.
  bool covers_table_files() const noexcept {
    return oldest_view() >= flushing_.load(std::memory_order_acquire);
  }

  /// Rows that compaction dropped; for metrics.
  void count_dropped(std::uint64_t rows) noexcept {
    dropped_.fetch_add(rows, std::memory_order_relaxed);
  }
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  static void raise(std::atomic<StorePosition>& value, StorePosition to) noexcept {
    StorePosition now = value.load(std::memory_order_relaxed);
    while (now < to && !value.compare_exchange_weak(now, to, std::memory_order_acq_rel)) {
    }
  }

  std::atomic<StorePosition> oldest_view_{0};
  std::atomic<StorePosition> flushing_{1};  // above 0: without a view's word nothing is dropped
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace postern::store

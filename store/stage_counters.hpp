// Counting for one committer stage: one writer, any reader, plain relaxed stores.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>

#include "store/engine_stats.hpp"

namespace postern::store {

/// A counter with a single writing thread: adding is a load and a store, not a locked instruction.
class OwnedCounter {
 public:
  void add(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Written by the stage's thread, copied by anyone.
class StageCounters {
 public:
  OwnedCounter groups, requests, octets, stalls, errors;

  void record_sync(std::chrono::nanoseconds took) noexcept {
    const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count() / 1000, 0));
    const std::size_t bucket = std::bit_width(micros / LatencyHistogram::kFirstBoundMicros);
    sync_[std::min(bucket, LatencyHistogram::kBuckets - 1)].add(1);
    sync_sum_micros_.add(micros);
  }

  StageStats copy() const noexcept {
    StageStats stats{.groups = groups.get(),
                     .requests = requests.get(),
                     .octets = octets.get(),
                     .stalls = stalls.get(),
                     .errors = errors.get()};
    for (std::size_t i = 0; i < sync_.size(); ++i) stats.sync.counts[i] = sync_[i].get();
    stats.sync.sum_micros = sync_sum_micros_.get();
    return stats;
  }

 private:
  std::array<OwnedCounter, LatencyHistogram::kBuckets> sync_;
  OwnedCounter sync_sum_micros_;
};

}  // namespace postern::store

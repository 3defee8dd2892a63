// Whether the store can be written, shared by both stages and read by anyone.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "store/engine_stats.hpp"

namespace postern::store {

/// Thread-safe. `failed` latches: after an error that a database cannot write past, going on could
/// acknowledge what is not durable, so only a restart (and its recovery) clears it.
class EngineHealthState {
 public:
  void set_disk_low(bool low) noexcept { disk_low_.store(low, std::memory_order_relaxed); }
  bool disk_low() const noexcept { return disk_low_.load(std::memory_order_relaxed); }

  /// Row thread: mail/ takes nothing since its disk was full. The body stage then writes no bodies:
  /// they could get no rows, and each would stay until the next start.
  void set_rows_stopped(bool stopped) noexcept {
    if (rows_stopped() != stopped) rows_stopped_.store(stopped, std::memory_order_relaxed);
  }
  bool rows_stopped() const noexcept { return rows_stopped_.load(std::memory_order_relaxed); }

  void set_failed(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (why_.empty()) why_ = why;
    failed_.store(true, std::memory_order_release);
  }
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  /// The first error, empty if none.
  std::string why() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

  EngineHealth get() const noexcept {
    if (failed()) return EngineHealth::failed;
    return disk_low() ? EngineHealth::disk_low : EngineHealth::ok;
  }

 private:
  std::atomic<bool> disk_low_{false};
  std::atomic<bool> rows_stopped_{false};
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::string why_;
};

}  // namespace postern::store

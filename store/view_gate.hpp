// The gate between reads of a view and its moves.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace postern::store {

/// Many may be inside shared, or one exclusive. Whoever wants in exclusively comes before later
/// shared ones: with steady reads std::shared_mutex (glibc prefers readers) would never let the
/// view move. Fits std::shared_lock and std::unique_lock. Shared holders must not enter again, and
/// finish soon: a move and all later reads wait for them. Any thread.
class ViewGate {
 public:
  void lock_shared() {
    std::unique_lock guard(mutex_);
    free_.wait(guard, [this] { return !exclusive_ && waiting_exclusive_ == 0; });
    ++shared_;
  }
  void unlock_shared() {
    const std::lock_guard guard(mutex_);
    if (--shared_ == 0 && waiting_exclusive_ > 0) free_.notify_all();
  }
  void lock() {
    std::unique_lock guard(mutex_);
    ++waiting_exclusive_;
    free_.wait(guard, [this] { return !exclusive_ && shared_ == 0; });
    --waiting_exclusive_;
    exclusive_ = true;
  }
  void unlock() {
    const std::lock_guard guard(mutex_);
    exclusive_ = false;
    free_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  std::size_t shared_ = 0;
  std::size_t waiting_exclusive_ = 0;
  bool exclusive_ = false;
};

}  // namespace postern::store

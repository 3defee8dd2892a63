// How the committer's threads sleep without costing their producers a syscall per item.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/store_load_barrier.hpp"

namespace postern::store {

/// One sleeper, many ringers. It carries no data: items sit in queues, the bell only says "look
/// again". ring() is one fence and one load while the sleeper is awake; a syscall only when it
/// sleeps.
///
/// The sleeper announces itself, then looks at its queues once more, then sleeps; a ringer
/// publishes its item, then looks for the announcement. The fences between the two steps on either
/// side make it impossible that both look too early.
class Doorbell {
 public:
  /// Any thread, after the item was published.
  void ring() noexcept {
    store_load_barrier(asleep_);
    if (asleep_.load(std::memory_order_relaxed) == 0) return;
    if (asleep_.exchange(0, std::memory_order_acq_rel) != 0) futex(FUTEX_WAKE_PRIVATE, 1, nullptr);
  }

  /// The sleeper's thread. Sleeps until rung or `timeout_ns` passed, unless `has_work()` is true
  /// after the announcement. May return early: look at the queues again.
  template <class HasWork>
  void sleep(HasWork&& has_work, std::int64_t timeout_ns) {
    asleep_.store(1, std::memory_order_seq_cst);
    store_load_barrier(asleep_);
    if (!has_work()) {
      const timespec timeout{.tv_sec = timeout_ns / 1'000'000'000,
                             .tv_nsec = timeout_ns % 1'000'000'000};
      futex(FUTEX_WAIT_PRIVATE, 1, &timeout);
    }
    asleep_.store(0, std::memory_order_relaxed);
  }

 private:
  void futex(int operation, std::uint32_t value, const timespec* timeout) noexcept {
    // Errors are EAGAIN, EINTR and ETIMEDOUT: all of them mean "look again".
    (void)::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&asleep_), operation, value,
                    timeout, nullptr, 0);
  }

  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
  alignas(64) std::atomic<std::uint32_t> asleep_{0};
};

}  // namespace postern::store

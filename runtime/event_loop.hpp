// One core's event loop: a ring, a timer wheel, the clock of the turn, and a door for other
// threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/ring.hpp"
#include "runtime/spsc_queue.hpp"
#include "runtime/time.hpp"
#include "runtime/timer_wheel.hpp"
#include "runtime/unique_fd.hpp"

namespace postern {

/// Runs on exactly one thread. Everything reachable from it (connections, sessions, timers) belongs
/// to that thread; other threads hand work over with post() or through a queue of their own
/// followed by wake().
///
/// The doorbell carries no data: a producer puts its item into a queue that a source polls every
/// turn, then calls wake(), which costs a system call only when the loop sleeps.
class EventLoop {
 public:
  /// Polled once a turn; returns true when it did something.
  using Source = std::function<bool()>;

  /// Makes the loop on the calling thread, which must be the one that runs it.
  static Result<std::unique_ptr<EventLoop>> create(const RingOptions& options);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Ring& ring() noexcept { return *ring_; }
  TimerWheel& timers() noexcept { return timers_; }
  /// The clocks as read at the start of this turn.
  const Now& now() const noexcept { return now_; }

  /// Adds a queue to poll every turn. Loop thread, before run().
  void add_source(Source source) { sources_.push_back(std::move(source)); }

  /// Called at the start of every turn, before any completion is handled: what a turn must know
  /// that another thread may have changed. Loop thread, before run().
  void set_prelude(std::move_only_function<void()> prelude) { prelude_ = std::move(prelude); }

  /// Runs until stop() was called.
  void run();
  /// One turn, which sleeps at most `sleep_max` when there is nothing to do: for tests, which look
  /// at things between two turns.
  void turn(Duration sleep_max);
  /// Makes run() return after the current turn. Loop thread.
  void stop() noexcept { running_ = false; }

  /// Runs `work` on the loop thread in its next turn, in the order of posting. Any thread; takes a
  /// short lock, so it is for control and for answers of worker threads, not for the hot path.
  void post(std::move_only_function<void()> work);
  /// Makes sure that the loop takes a turn after whatever the caller has put into a polled queue.
  /// Any thread, no lock; a system call only if the loop sleeps.
  void wake() noexcept;

  /// How often a wake() had to ring. For metrics and wakeup_bench.
  std::uint64_t wake_count() const noexcept { return rings_.load(std::memory_order_relaxed); }

 private:
  EventLoop(std::unique_ptr<Ring> ring, UniqueFd doorbell, Duration spin_max);
  void arm_doorbell();
  bool run_posted();
  bool poll_sources();
  bool prepare_to_sleep() noexcept;
  bool spin();

  std::unique_ptr<Ring> ring_;
  Now now_;
  TimerWheel timers_;
  std::move_only_function<void()> prelude_;
  std::vector<Source> sources_;
  const Duration spin_max_;
  std::uint32_t spin_misses_ = 0;  // in a row
  std::uint32_t spin_rest_ = 0;    // sleeps until the next try
  bool running_ = true;

  // An eventfd behind a flag. bench/wakeup_bench on a shared 2 vCPU VM, Linux 6.18, CPU of both
  // sides for a round trip to a sleeping loop: eventfd 6.7 us, MSG_RING 6.4 us, this loop 7.1 us:
  // no difference worth a ring for every producing thread. Ringing a loop that is busy: eventfd 2.2
  // us, MSG_RING 5.9 us, and 0.07 us when the flag says that nobody sleeps, which is the case that
  // counts under load.
  UniqueFd doorbell_;
  std::uint64_t doorbell_value_ = 0;
  Operation doorbell_operation_;
  alignas(kCacheLineOctets) std::atomic<std::uint32_t> sleeping_{0};
  std::atomic<std::uint64_t> rings_{0};

  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;
  std::atomic<bool> has_posted_{false};
};

}  // namespace postern

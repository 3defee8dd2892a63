// The cores of a process: a thread, an event loop and a service each.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/event_loop.hpp"
#include "runtime/result.hpp"

namespace postern {

/// What runs on a core. Made, used and destroyed on the core's thread.
class CoreService {
 public:
  virtual ~CoreService() = default;
  /// Stop accepting, tell the sessions.
  virtual void begin_drain() = 0;
  /// Nothing is left; asked every turn after begin_drain() or abort_all().
  virtual bool drained() const = 0;
  /// The drain time is over: drop what is left.
  virtual void abort_all() = 0;
};

/// Starts and stops event loops. Owned by the main thread.
class CoreGroup {
 public:
  /// Makes the service of core `index` (0 .. count-1) on its own thread.
  using Factory =
      std::function<Result<std::unique_ptr<CoreService>>(EventLoop& loop, std::uint32_t index)>;
  struct Options {
    std::uint32_t count = 1;
    RingOptions ring;
    bool pin = true;  ///< bind core i to the i-th CPU that the process may use
    /// Called once by each core's thread before anything else (names, log registration).
    std::function<void(std::uint32_t index)> on_thread_start;
  };

  /// Starts all cores; when one fails, stops the others and returns its error.
  static Result<std::unique_ptr<CoreGroup>> start(const Options& options, const Factory& factory);
  ~CoreGroup();

  std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(cores_.size()); }
  /// The loop of core `index`, for post() and wake(). Valid until stop() returns.
  EventLoop& loop(std::uint32_t index) noexcept { return *cores_[index]->loop; }
  /// Drains for at most `timeout`, aborts what is left, joins the threads. Idempotent.
  void stop(Duration timeout);
  /// Cuts a running drain short. Any thread.
  void hurry() noexcept { hurry_.store(true); }

 private:
  struct Core {
    std::thread thread;
    EventLoop* loop = nullptr;
    CoreService* service = nullptr;
  };
  CoreGroup() = default;
  std::vector<std::unique_ptr<Core>> cores_;
  std::atomic<std::uint32_t> drained_count_{0};
  std::atomic<bool> hurry_{false};
  std::atomic<bool> released_{false};  // loops may be destroyed: nobody posts to them any more
  bool stopped_ = false;
};

/// CPUs this process may run on.
std::uint32_t available_cpus();

}  // namespace postern

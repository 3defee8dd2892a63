#include "runtime/event_loop.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/eventfd.h>

#include "runtime/assert.hpp"
#include "runtime/store_load_barrier.hpp"

namespace postern {

namespace {

/// Tells the processor that this is a waiting loop.
inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// The longest a loop sleeps with nothing to do. Nothing depends on it (deadlines and wakes end the
// sleep); it bounds how stale now() and the gauges of an idle core get.
constexpr Duration kSleepMax = std::chrono::seconds(1);

// A loop whose clients do not come back that fast spins in vain: after so many times in a row it
// sleeps at once for a while. Then spinning costs an idle core a few percent of what its wake-ups
// cost, and a busy one gets it back within a turn.
constexpr std::uint32_t kSpinMissesMax = 3;
constexpr std::uint32_t kSpinRestSleeps = 64;
// Looks between two readings of the clock.
constexpr int kSpinLooks = 32;

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create(const RingOptions& options) {
  auto ring = Ring::create(options);
  if (!ring) return std::unexpected(ring.error());
  UniqueFd doorbell(::eventfd(0, EFD_CLOEXEC));
  if (!doorbell) {
    return fail(ErrorCode::exhausted,
                std::string("no eventfd for a core: ") + std::strerror(errno));
  }
  return std::unique_ptr<EventLoop>(
      new EventLoop(std::move(*ring), std::move(doorbell), options.spin_max));
}

EventLoop::EventLoop(std::unique_ptr<Ring> ring, UniqueFd doorbell, Duration spin_max)
    : ring_(std::move(ring)),
      now_(read_clocks()),
      timers_(now_.mono),
      spin_max_(spin_max),
      doorbell_(std::move(doorbell)) {
  doorbell_operation_.owner = this;
  doorbell_operation_.handler = [](void* owner, const Operation::Completion&) {
    auto* loop = static_cast<EventLoop*>(owner);
    if (loop->running_) loop->arm_doorbell();
  };
  arm_doorbell();
}

EventLoop::~EventLoop() = default;

void EventLoop::arm_doorbell() {
  ring_->read(doorbell_.get(), &doorbell_value_, sizeof doorbell_value_, doorbell_operation_);
}

void EventLoop::run() {
  while (running_) turn(kSleepMax);
}

void EventLoop::turn(Duration sleep_max) {
  if (!spin()) {
    Duration wait = Duration::zero();
    if (prepare_to_sleep()) wait = timers_.idle_time(now_.mono, sleep_max);
    ring_->submit_and_collect(wait);
    sleeping_.store(0, std::memory_order_relaxed);
  }
  now_ = read_clocks();
  if (prelude_) prelude_();
  ring_->run_handlers();
  poll_sources();
  run_posted();
  timers_.advance(now_);
}

// Looks for work for a little while instead of sleeping: a client that answers within microseconds
// (POP3's next RETR, SMTP's next command) then finds its core awake, and neither side pays for the
// wake-up. True: there is something to do, and completions were collected.
bool EventLoop::spin() {
  if (spin_max_ == Duration::zero()) return false;
  if (spin_rest_ > 0) {
    --spin_rest_;
    return false;
  }
  if (ring_->submit_and_collect(Duration::zero()) > 0) return true;
  const MonoTime until =
      read_clocks().mono + std::min(spin_max_, timers_.idle_time(now_.mono, spin_max_));
  do {
    for (int look = 0; look < kSpinLooks; ++look) {
      if (ring_->has_work() || has_posted_.load(std::memory_order_acquire)) {
        spin_misses_ = 0;
        ring_->submit_and_collect(Duration::zero());
        return true;
      }
      cpu_relax();
    }
    if (poll_sources()) {
      spin_misses_ = 0;
      return true;
    }
  } while (read_clocks().mono < until);
  if (++spin_misses_ >= kSpinMissesMax) {
    spin_misses_ = 0;
    spin_rest_ = kSpinRestSleeps;
  }
  return false;
}

// Dekker's handshake with wake(): the flag goes up, then the queues are looked at once more. A
// producer that queued before it saw the flag is seen here; one that queued after sees the flag and
// rings.
bool EventLoop::prepare_to_sleep() noexcept {
  sleeping_.store(1, std::memory_order_seq_cst);
  store_load_barrier(sleeping_);
  const bool found_work = poll_sources() || has_posted_.load(std::memory_order_acquire);
  if (found_work) sleeping_.store(0, std::memory_order_relaxed);
  return !found_work;
}

bool EventLoop::poll_sources() {
  bool worked = false;
  for (Source& source : sources_) worked |= source();
  return worked;
}

bool EventLoop::run_posted() {
  if (!has_posted_.load(std::memory_order_acquire)) return false;
  std::vector<std::move_only_function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (auto& item : work) item();
  return true;
}

void EventLoop::post(std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
    has_posted_.store(true, std::memory_order_release);
  }
  wake();
}

void EventLoop::wake() noexcept {
  store_load_barrier(sleeping_);
  if (sleeping_.load(std::memory_order_relaxed) == 0) return;
  if (sleeping_.exchange(0, std::memory_order_acq_rel) == 0) return;  // somebody else rings
  rings_.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t one = 1;
  const ssize_t written = ::write(doorbell_.get(), &one, sizeof one);
  POSTERN_ASSERT(written == sizeof one || errno == EAGAIN || errno == EINTR);
}

}  // namespace postern

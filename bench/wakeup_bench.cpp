// How a thread best wakes an event loop of another thread: an eventfd that the loop's ring reads
// (what runtime/event_loop.cpp does), or IORING_OP_MSG_RING from a ring of the producer's own.
//
// idle_*: both threads sleep in their rings and wake each other in turn. Time: one round trip,
// which is two wake-ups; cpu_us: of both threads, for one round trip. idle_event_loop: the same
// with the product's EventLoop on both sides: flag, timers and all. busy_*: the consumer never
// sleeps: turns of some 20 us of work, completions reaped in between. Time: until its handler ran;
// ring_ns: what ringing takes from the producer; turn_us: CPU of one turn of the consumer.
// busy_flag rings nothing and lets the consumer look at its queue: what EventLoop::wake() does
// while the loop is awake.
//
// bench/README.md: how to run. With two CPUs or more the threads are pinned to one each.

// clang-format off: liburing.h comes before any system header, for it shares macros with linux/fs.h
#include <liburing.h>
// clang-format on

#include <atomic>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

#include "bench/cpu_meter.hpp"
#include "runtime/event_loop.hpp"

namespace {

using namespace postern;
using bench::CpuMeter;

constexpr unsigned kEntries = 64;
constexpr std::uint64_t kDoorbell = 1;  // user_data of what wakes us

// Keeps the scheduler from putting producer and consumer on one CPU in some runs and not in others.
void pin_to(unsigned index) {
  if (std::thread::hardware_concurrency() < 2) return;
  cpu_set_t allowed, wanted;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  CPU_ZERO(&wanted);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || index-- > 0) continue;
    CPU_SET(cpu, &wanted);
    (void)::pthread_setaffinity_np(::pthread_self(), sizeof wanted, &wanted);
    return;
  }
}

enum class Method { eventfd, msg_ring, flag };

constexpr const char* kNoRing = "no io_uring with DEFER_TASKRUN here";

/// One thread's ring, and the ways to ring at it. Made and used on one thread; notify() is the
/// other's.
class Sleeper {
 public:
  explicit Sleeper(Method method) : method_(method) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    good_ = io_uring_queue_init_params(kEntries, &ring_, &params) == 0;
    event_ = ::eventfd(0, EFD_CLOEXEC);
    good_ = good_ && event_ >= 0;
    if (!good_) return;
    (void)io_uring_register_ring_fd(&ring_);
    if (method == Method::eventfd) arm();
  }
  ~Sleeper() {
    if (event_ >= 0) ::close(event_);
    if (good_) io_uring_queue_exit(&ring_);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  bool good() const noexcept { return good_; }

  /// Rings at `other`, from this thread's ring where the method needs one.
  void ring_at(Sleeper& other) {
    if (method_ == Method::eventfd) {
      const std::uint64_t one = 1;
      (void)!::write(other.event_, &one, sizeof one);
    } else if (method_ == Method::msg_ring) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      io_uring_prep_msg_ring(sqe, other.ring_.ring_fd, 0, kDoorbell, 0);
      sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
      io_uring_submit(&ring_);
    }
  }
  /// Sleeps until somebody rang.
  void sleep() {
    do {
      io_uring_submit_and_wait(&ring_, 1);
    } while (reap() == 0);
  }
  /// Looks whether somebody rang. Returns how often.
  unsigned look() {
    io_uring_submit_and_get_events(&ring_);
    return reap();
  }

 private:
  void arm() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_read(sqe, event_, &value_, sizeof value_, 0);
    io_uring_sqe_set_data64(sqe, kDoorbell);
  }
  unsigned reap() {
    unsigned head = 0, seen = 0, rings = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++seen;
      if (cqe->user_data == kDoorbell) ++rings;
    }
    io_uring_cq_advance(&ring_, seen);
    if (rings > 0 && method_ == Method::eventfd) arm();
    return rings;
  }

  Method method_;
  io_uring ring_{};
  int event_ = -1;
  std::uint64_t value_ = 0;
  bool good_ = false;
};

// --- both asleep
// ----------------------------------------------------------------------------------

void idle(benchmark::State& state, Method method) {
  pin_to(0);
  Sleeper mine(method);
  if (!mine.good()) return state.SkipWithError(kNoRing);
  std::promise<Sleeper*> made;
  std::atomic<bool> stopping{false};
  std::thread echo([&] {
    pin_to(1);
    Sleeper other(method);
    made.set_value(other.good() ? &other : nullptr);
    if (!other.good()) return;
    // Decided by what was set before the bell that woke us: the last one is answered, too.
    for (bool last = false; !last;) {
      other.sleep();
      last = stopping.load(std::memory_order_acquire);
      other.ring_at(mine);
    }
  });
  Sleeper* other = made.get_future().get();
  if (other == nullptr) {
    state.SkipWithError(kNoRing);
  } else {
    const CpuMeter cpu;
    for (auto _ : state) {
      mine.ring_at(*other);
      mine.sleep();
    }
    state.counters["cpu_us"] = cpu.micros() / static_cast<double>(state.iterations());
    stopping.store(true, std::memory_order_release);
    mine.ring_at(*other);
    mine.sleep();
  }
  echo.join();
}

void idle_eventfd(benchmark::State& state) { idle(state, Method::eventfd); }
void idle_msg_ring(benchmark::State& state) { idle(state, Method::msg_ring); }

/// A product's loop with a queue of one.
struct Side {
  std::unique_ptr<EventLoop> loop;
  alignas(kCacheLineOctets) std::atomic<std::uint64_t> in{0};
  std::uint64_t seen = 0;

  /// Loop thread: whether something came in.
  bool take() {
    const std::uint64_t now = in.load(std::memory_order_acquire);
    if (now == seen) return false;
    seen = now;
    return true;
  }
  /// The other side's thread.
  void give() {
    in.fetch_add(1, std::memory_order_release);
    loop->wake();
  }
};

void idle_event_loop(benchmark::State& state) {
  pin_to(0);
  const RingOptions options{.receive_buffers = 16};
  auto loop = EventLoop::create(options);
  if (!loop) return state.SkipWithError(loop.error().message.c_str());
  Side mine, other;
  mine.loop = std::move(*loop);
  std::promise<bool> made;
  std::promise<void> may_go;
  std::thread echo([&] {
    pin_to(1);
    auto created = EventLoop::create(options);
    if (created) other.loop = std::move(*created);
    made.set_value(created.has_value());
    if (!created) return;
    other.loop->add_source([&] {
      if (!other.take()) return false;
      mine.give();
      return true;
    });
    other.loop->run();
    may_go.get_future().wait();
    other.loop.reset();
  });
  if (!made.get_future().get()) {
    state.SkipWithError(kNoRing);
  } else {
    const auto next = [&] { state.KeepRunning() ? other.give() : mine.loop->stop(); };
    mine.loop->add_source([&] {
      if (!mine.take()) return false;
      next();
      return true;
    });
    const CpuMeter cpu;
    next();
    mine.loop->run();
    state.counters["cpu_us"] = cpu.micros() / static_cast<double>(state.iterations());
    other.loop->post([&] { other.loop->stop(); });
  }
  may_go.set_value();
  echo.join();
}

// --- the consumer is busy
// -------------------------------------------------------------------------

// Some 20 us of work that nothing optimises away.
void work() {
  constexpr int kRounds = 12'000;
  std::uint64_t x = 1;
  for (int i = 0; i < kRounds; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    benchmark::DoNotOptimize(x);
  }
}

/// What a busy consumer tells of itself.
struct Consumer {
  alignas(kCacheLineOctets) std::atomic<std::uint64_t> queued{0};  // the queue the bell is for
  alignas(kCacheLineOctets) std::atomic<std::uint64_t> seen{0};
  std::atomic<bool> stopping{false};
  double turn_micros = 0;

  void run(Sleeper& sleeper, Method method) {
    std::uint64_t rings = 0, turns = 0;
    const CpuMeter cpu(CLOCK_THREAD_CPUTIME_ID);
    while (!stopping.load(std::memory_order_acquire)) {
      work();
      rings += sleeper.look();
      // With the flag alone the loop looks into its queue each turn, as it does in any case.
      const std::uint64_t now =
          method == Method::flag ? queued.load(std::memory_order_acquire) : rings;
      seen.store(now, std::memory_order_release);
      ++turns;
    }
    turn_micros = cpu.micros() / static_cast<double>(turns);
  }
};

void busy(benchmark::State& state, Method method) {
  using Clock = std::chrono::steady_clock;
  pin_to(0);
  Sleeper mine(method);
  if (!mine.good()) return state.SkipWithError(kNoRing);
  Consumer consumer;
  std::promise<Sleeper*> made;
  std::thread thread([&] {
    pin_to(1);
    Sleeper other(method);
    made.set_value(other.good() ? &other : nullptr);
    if (other.good()) consumer.run(other, method);
  });
  Sleeper* other = made.get_future().get();
  if (other == nullptr) {
    state.SkipWithError(kNoRing);
  } else {
    Clock::duration ringing{};
    std::uint64_t rung = 0;
    for (auto _ : state) {
      const Clock::time_point start = Clock::now();
      consumer.queued.store(++rung, std::memory_order_release);
      mine.ring_at(*other);
      ringing += Clock::now() - start;
      while (consumer.seen.load(std::memory_order_acquire) < rung) {
      }
    }
    consumer.stopping.store(true, std::memory_order_release);
    state.counters["ring_ns"] =
        std::chrono::duration<double, std::nano>(ringing).count() / static_cast<double>(rung);
  }
  thread.join();
  state.counters["turn_us"] = consumer.turn_micros;
}

void busy_eventfd(benchmark::State& state) { busy(state, Method::eventfd); }
void busy_msg_ring(benchmark::State& state) { busy(state, Method::msg_ring); }
void busy_flag(benchmark::State& state) { busy(state, Method::flag); }

BENCHMARK(idle_eventfd)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(idle_msg_ring)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(idle_event_loop)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(busy_eventfd)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(busy_msg_ring)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(busy_flag)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();

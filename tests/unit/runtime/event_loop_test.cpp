#include "runtime/event_loop.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "runtime/worker_pool.hpp"

namespace postern {
namespace {

using std::chrono::milliseconds;

/// An event loop on a thread of its own.
class LoopThread {
 public:
  explicit LoopThread(Duration spin_max) {
    thread_ = std::thread([this, spin_max] {
      auto made = EventLoop::create({.receive_buffers = 16, .spin_max = spin_max});
      ASSERT_TRUE(made) << made.error().message;
      loop_ = made->get();
      started_.store(true);
      started_.notify_all();
      loop_->run();
      released_.wait(false);
    });
    started_.wait(false);
  }
  ~LoopThread() {
    loop_->post([this] { loop_->stop(); });
    released_.store(true);
    released_.notify_all();
    thread_.join();
  }
  EventLoop& loop() { return *loop_; }

 private:
  EventLoop* loop_ = nullptr;
  std::atomic<bool> started_{false};
  std::atomic<bool> released_{false};
  std::thread thread_;
};

/// The same whether the loop sleeps at once or looks for work first.
class EventLoopTest : public testing::TestWithParam<milliseconds> {};

INSTANTIATE_TEST_SUITE_P(Spin, EventLoopTest,
                         testing::Values(milliseconds(0), milliseconds(1), milliseconds(50)));

TEST_P(EventLoopTest, PostedWorkRunsInOrderOnTheLoopThread) {
  LoopThread thread(GetParam());
  std::vector<int> order;
  std::atomic<int> done{0};
  std::thread::id ran_on;
  for (int item = 0; item < 100; ++item) {
    thread.loop().post([&, item] {
      order.push_back(item);
      ran_on = std::this_thread::get_id();
      done.fetch_add(1);
      done.notify_all();
    });
  }
  for (int seen = done.load(); seen < 100; seen = done.load()) done.wait(seen);
  for (int item = 0; item < 100; ++item) EXPECT_EQ(order[static_cast<std::size_t>(item)], item);
  EXPECT_NE(ran_on, std::this_thread::get_id());
}

// No wake-up is lost however the producer's push falls against the loop's way to sleep.
TEST_P(EventLoopTest, WakeNeverLeavesAQueuedItemBehind) {
  constexpr int kItems = 20'000;
  SpscQueue<int> queue(1024);
  std::atomic<int> received{0};
  LoopThread thread(GetParam());
  std::atomic<bool> added{false};
  thread.loop().post([&] {
    thread.loop().add_source([&] {
      int item = 0;
      bool worked = false;
      while (queue.try_pop(item)) {
        worked = true;
        received.fetch_add(1);
        received.notify_one();
      }
      return worked;
    });
    added.store(true);
    added.notify_all();
  });
  added.wait(false);
  for (int item = 0; item < kItems; ++item) {
    ASSERT_TRUE(queue.try_push(int{item}));
    thread.loop().wake();
    // Every few items the producer lets the loop fall asleep.
    if (item % 16 == 0) {
      for (int seen = received.load(); seen <= item; seen = received.load()) received.wait(seen);
    } else if (item % 512 == 511) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    while (item - received.load() > 512) std::this_thread::yield();
  }
  for (int seen = received.load(); seen < kItems; seen = received.load()) received.wait(seen);
  EXPECT_EQ(received.load(), kItems);
}

TEST_P(EventLoopTest, TimersRunWhileTheLoopIsIdle) {
  LoopThread thread(GetParam());
  std::atomic<bool> ran{false};
  struct Owner {
    std::atomic<bool>& ran;
  } owner{ran};
  auto timer = std::make_unique<Timer>(&owner, [](void* o, Now) {
    static_cast<Owner*>(o)->ran.store(true);
    static_cast<Owner*>(o)->ran.notify_all();
  });
  thread.loop().post(
      [&] { thread.loop().timers().arm(*timer, thread.loop().now().mono + milliseconds(30)); });
  ran.wait(false);
  EXPECT_TRUE(ran.load());
  std::atomic<bool> gone{false};
  thread.loop().post([&] {
    timer.reset();
    gone.store(true);
    gone.notify_all();
  });
  gone.wait(false);
}

TEST(WorkerPool, RefusesBeyondItsQueueAndRunsTheRest) {
  std::atomic<bool> gate{false};
  std::atomic<int> ran{0};
  int taken = 0;
  {
    WorkerPool pool(1, 4, "test");
    ASSERT_TRUE(pool.submit([&] { gate.wait(false); }));
    while (pool.queued() > 0) std::this_thread::yield();  // the first job occupies the thread
    for (int job = 0; job < 10; ++job) taken += pool.submit([&] { ran.fetch_add(1); }) ? 1 : 0;
    gate.store(true);
    gate.notify_all();
  }
  EXPECT_EQ(taken, 4);
  EXPECT_EQ(ran.load(), 4);
}

}  // namespace
}  // namespace postern

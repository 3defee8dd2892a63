#include "runtime/spsc_queue.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <thread>

namespace postern {
namespace {

TEST(SpscQueue, KeepsOrderAndRefusesWhenFull) {
  SpscQueue<int> queue(3);  // rounded up to 4
  EXPECT_EQ(queue.capacity(), 4u);
  for (int item = 0; item < 4; ++item) EXPECT_TRUE(queue.try_push(int{item}));
  EXPECT_FALSE(queue.try_push(99));
  int item = -1;
  for (int expected = 0; expected < 4; ++expected) {
    ASSERT_TRUE(queue.try_pop(item));
    EXPECT_EQ(item, expected);
  }
  EXPECT_FALSE(queue.try_pop(item));
  EXPECT_TRUE(queue.empty());
}

TEST(SpscQueue, RefusedItemIsUntouched) {
  SpscQueue<std::unique_ptr<int>> queue(1);
  EXPECT_TRUE(queue.try_push(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(queue.try_push(std::move(second)));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
}

TEST(SpscQueue, TwoThreadsSeeEveryItemOnceInOrder) {
  constexpr int kItems = 300'000;
  SpscQueue<int> queue(64);
  std::thread producer([&] {
    for (int item = 0; item < kItems; ++item) {
      while (!queue.try_push(int{item})) std::this_thread::yield();
    }
  });
  int expected = 0;
  while (expected < kItems) {
    int item = -1;
    if (!queue.try_pop(item)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(item, expected);
    ++expected;
  }
  producer.join();
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace postern

// Logins under penalty: each answered once, at its time; bounded; let go when the process stops.
#include "gateway/held_logins.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace postern::gateway {
namespace {

using std::chrono::milliseconds;

struct HeldLoginsTest : testing::Test {
  void SetUp() override {
    auto made = EventLoop::create({.receive_buffers = 16, .receive_buffer_octets = 4096});
    ASSERT_TRUE(made) << made.error().message;
    loop = std::move(*made);
    start = loop->now();
  }
  void advance_to(Duration after) {
    Now now = start;
    now.mono += after;
    loop->timers().advance(now);
  }
  void hold(std::uint64_t id, Duration delay) {
    held.hold(*loop, id, start.mono + delay, [this, id] { answered.push_back(id); });
  }

  std::unique_ptr<EventLoop> loop;
  Now start;
  HeldLogins held;
  std::vector<std::uint64_t> answered;
};

TEST_F(HeldLoginsTest, AnswersEachAtItsTime) {
  hold(1, milliseconds(500));
  hold(2, milliseconds(100));
  advance_to(milliseconds(90));
  EXPECT_TRUE(answered.empty());
  advance_to(milliseconds(120));
  EXPECT_EQ(answered, std::vector<std::uint64_t>{2});
  advance_to(milliseconds(520));
  EXPECT_EQ(answered, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(held.size(), 0u);
}

TEST_F(HeldLoginsTest, IsBounded) {
  for (std::uint64_t id = 1; id <= HeldLogins::kHeldLoginsMax; ++id) {
    ASSERT_FALSE(held.full()) << id;
    hold(id, milliseconds(id == 1 ? 100 : 200));
  }
  EXPECT_TRUE(held.full());
  advance_to(milliseconds(120));
  EXPECT_FALSE(held.full()) << "the first was answered";
}

TEST_F(HeldLoginsTest, AStopAnswersThemAllAtOnce) {
  for (std::uint64_t id = 1; id <= 3; ++id) hold(id, milliseconds(10'000));
  held.answer_all();
  EXPECT_EQ(answered.size(), 3u);
  EXPECT_EQ(held.size(), 0u);
  advance_to(milliseconds(20'000));
  EXPECT_EQ(answered.size(), 3u) << "once";
}

}  // namespace
}  // namespace postern::gateway

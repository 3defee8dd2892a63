#include "runtime/timer_wheel.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <vector>

namespace postern {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A timer that remembers when it ran.
struct Probe {
  explicit Probe(TimerWheel& w)
      : wheel(w), timer(this, [](void* owner, Now now) {
          auto* self = static_cast<Probe*>(owner);
          ++self->runs;
          self->ran_at = now.mono;
        }) {}
  TimerWheel& wheel;
  Timer timer;
  int runs = 0;
  MonoTime ran_at{};
};

Now at(Duration since_start) { return {.mono = MonoTime(since_start)}; }

TEST(TimerWheel, RunsAtItsDeadlineAndNotBefore) {
  TimerWheel wheel{MonoTime{}};
  Probe probe(wheel);
  wheel.arm(probe.timer, MonoTime(milliseconds(100)));
  wheel.advance(at(milliseconds(99)));
  EXPECT_EQ(probe.runs, 0);
  wheel.advance(at(milliseconds(100) + TimerWheel::kTick));
  EXPECT_EQ(probe.runs, 1);
  EXPECT_FALSE(probe.timer.armed());
}

TEST(TimerWheel, DisarmedTimerDoesNotRun) {
  TimerWheel wheel{MonoTime{}};
  Probe probe(wheel);
  wheel.arm(probe.timer, MonoTime(milliseconds(50)));
  wheel.disarm(probe.timer);
  wheel.advance(at(seconds(10)));
  EXPECT_EQ(probe.runs, 0);
}

TEST(TimerWheel, DeadlineMovedLaterRunsOnceAtTheLaterTime) {
  TimerWheel wheel{MonoTime{}};
  Probe probe(wheel);
  wheel.arm(probe.timer, MonoTime(milliseconds(50)));
  wheel.arm(probe.timer, MonoTime(seconds(700)));  // crosses two levels
  wheel.advance(at(seconds(699)));
  EXPECT_EQ(probe.runs, 0);
  wheel.advance(at(seconds(701)));
  EXPECT_EQ(probe.runs, 1);
}

TEST(TimerWheel, DeadlineMovedEarlierRunsAtTheEarlierTime) {
  TimerWheel wheel{MonoTime{}};
  Probe probe(wheel);
  wheel.arm(probe.timer, MonoTime(seconds(700)));
  wheel.arm(probe.timer, MonoTime(milliseconds(50)));
  wheel.advance(at(milliseconds(60)));
  EXPECT_EQ(probe.runs, 1);
  wheel.advance(at(seconds(800)));
  EXPECT_EQ(probe.runs, 1);
}

TEST(TimerWheel, HandlerMayDestroyItsOwnerAndArmOthers) {
  TimerWheel wheel{MonoTime{}};
  struct Owner {
    TimerWheel& wheel;
    std::unique_ptr<Owner>& slot;
    Probe& other;
    Timer timer;
    Owner(TimerWheel& w, std::unique_ptr<Owner>& s, Probe& o)
        : wheel(w), slot(s), other(o), timer(this, [](void* owner, Now now) {
            auto* self = static_cast<Owner*>(owner);
            self->wheel.arm(self->other.timer, now.mono);
            self->slot.reset();
          }) {}
  };
  Probe other(wheel);
  std::unique_ptr<Owner> slot;
  slot = std::make_unique<Owner>(wheel, slot, other);
  wheel.arm(slot->timer, MonoTime(milliseconds(10)));
  wheel.advance(at(milliseconds(40)));
  EXPECT_EQ(slot, nullptr);
  wheel.advance(at(milliseconds(80)));
  EXPECT_EQ(other.runs, 1);
}

// Never early, at most a tick and the step late, whatever the distance; idle_time() never
// oversleeps.
TEST(TimerWheel, RandomDeadlinesRunOnTimeWhenTheLoopSleepsAsItIsTold) {
  std::mt19937_64 random(20260101);
  TimerWheel wheel{MonoTime{}};
  std::vector<std::unique_ptr<Probe>> probes;
  std::vector<MonoTime> deadlines;
  for (int index = 0; index < 2000; ++index) {
    const auto spread = std::uniform_int_distribution<int>(0, 3)(random);
    const Duration reach = spread == 0   ? Duration(milliseconds(500))
                           : spread == 1 ? Duration(seconds(30))
                           : spread == 2 ? Duration(seconds(1200))
                                         : Duration(hours(50));
    const Duration deadline(std::uniform_int_distribution<std::int64_t>(0, reach.count())(random));
    probes.push_back(std::make_unique<Probe>(wheel));
    deadlines.emplace_back(deadline);
    wheel.arm(probes.back()->timer, deadlines.back());
  }
  Now now = at({});
  while (now.mono < MonoTime(hours(51))) {
    const Duration sleep = wheel.idle_time(now.mono, hours(1));
    now.mono += std::max<Duration>(sleep, std::chrono::microseconds(1));
    wheel.advance(now);
  }
  for (std::size_t index = 0; index < probes.size(); ++index) {
    ASSERT_EQ(probes[index]->runs, 1) << index;
    EXPECT_GE(probes[index]->ran_at, deadlines[index]) << index;
    EXPECT_LE(probes[index]->ran_at, deadlines[index] + 2 * TimerWheel::kTick) << index;
  }
}

}  // namespace
}  // namespace postern

#include "runtime/timer_wheel.hpp"

#include <algorithm>
#include <bit>

#include "runtime/assert.hpp"

namespace postern {

TimerWheel::Slot::Slot() noexcept { head.next_ = head.previous_ = &head; }

TimerWheel::TimerWheel(MonoTime start) noexcept : start_(start) {}

std::int64_t TimerWheel::tick_at_or_after(MonoTime time) const noexcept {
  const std::int64_t since = (time - start_).count();
  if (since <= 0) return 0;
  return (since + kTick.count() - 1) / kTick.count();
}

void TimerWheel::arm(Timer& timer, MonoTime deadline) noexcept {
  timer.due_tick_ = std::max(tick_at_or_after(deadline), tick_ + 1);
  timer.armed_ = true;
  // Filed early enough already: refiled when its slot comes up (the common case of a deadline that
  // moves on).
  if (timer.next_ != nullptr && timer.slot_tick_ <= timer.due_tick_) return;
  timer.unlink();
  file(timer, tick_ + 1);
}

void TimerWheel::file(Timer& timer, std::int64_t earliest_tick) noexcept {
  // Beyond the last level's reach it is filed at the far end and refiled from there.
  const std::int64_t reach = (std::int64_t{1} << (kSlotBits * kLevels)) - 1;
  const std::int64_t tick =
      std::clamp(timer.due_tick_, earliest_tick, std::max(earliest_tick, tick_ + reach));
  const std::int64_t distance = tick - tick_;
  int level = 0;
  while (level + 1 < kLevels && distance >= (std::int64_t{1} << (kSlotBits * (level + 1)))) ++level;
  timer.slot_tick_ = tick;
  if (level == 0) occupied_[(tick & (kSlots - 1)) / 64] |= std::uint64_t{1} << (tick & 63);
  Timer& head = slots_[level][(tick >> (kSlotBits * level)) & (kSlots - 1)].head;
  timer.previous_ = head.previous_;
  timer.next_ = &head;
  head.previous_->next_ = &timer;
  head.previous_ = &timer;
}

void TimerWheel::cascade(int level) noexcept {
  Slot& slot = slots_[level][(tick_ >> (kSlotBits * level)) & (kSlots - 1)];
  while (slot.head.next_ != &slot.head) {
    Timer& timer = *slot.head.next_;
    timer.unlink();
    file(timer, tick_);  // may be due at this very tick, whose slot is run after the cascade
  }
}

void TimerWheel::advance(Now now) {
  const std::int64_t since = (now.mono - start_).count();
  const std::int64_t target = since < 0 ? 0 : since / kTick.count();
  while (tick_ < target) {
    ++tick_;
    for (int level = 1; level < kLevels; ++level) {
      if ((tick_ & ((std::int64_t{1} << (kSlotBits * level)) - 1)) != 0) break;
      cascade(level);
    }
    Slot& slot = slots_[0][tick_ & (kSlots - 1)];
    occupied_[(tick_ & (kSlots - 1)) / 64] &= ~(std::uint64_t{1} << (tick_ & 63));
    while (slot.head.next_ != &slot.head) {
      Timer& timer = *slot.head.next_;
      timer.unlink();
      if (timer.due_tick_ > tick_) {
        file(timer, tick_ + 1);
        continue;
      }
      timer.armed_ = false;
      timer.handler_(timer.owner_, now);
    }
  }
}

Duration TimerWheel::idle_time(MonoTime now, Duration limit) const noexcept {
  // The next border, where a higher level cascades, counts as work, lest something due is
  // overslept.
  std::int64_t next = (tick_ | (kSlots - 1)) + 1;
  for (std::int64_t tick = tick_ + 1; tick < next;) {
    const std::uint64_t word = occupied_[(tick & (kSlots - 1)) / 64] >> (tick & 63);
    if (word != 0) {
      next = tick + std::countr_zero(word);
      break;
    }
    tick = (tick | 63) + 1;
  }
  return std::clamp<Duration>(start_ + next * kTick - now, Duration::zero(), limit);
}

}  // namespace postern

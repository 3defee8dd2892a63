// Deadlines by the thousand: a hierarchical timer wheel.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "runtime/time.hpp"

namespace postern {

class TimerWheel;

/// A deadline of its owner's. Embedded in the owner; unlinks itself when destroyed. One thread.
///
/// Moving a deadline later is free: the timer stays where it is in the wheel and finds its place
/// when the old slot comes up. A session whose inactivity deadline moves with every command costs
/// no list operation.
class Timer {
 public:
  using Handler = void (*)(void* owner, Now now);
  Timer(void* owner, Handler handler) noexcept : owner_(owner), handler_(handler) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { unlink(); }
  bool armed() const noexcept { return armed_; }

 private:
  friend class TimerWheel;
  Timer() = default;  // list heads
  void unlink() noexcept {
    if (next_ == nullptr) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  void* owner_ = nullptr;
  Handler handler_ = nullptr;
  std::int64_t due_tick_ = 0;   // when it is to run
  std::int64_t slot_tick_ = 0;  // the tick it is filed under, <= due_tick_
  bool armed_ = false;
};

/// Four levels of 256 slots. A tick is 8 ms: a deadline runs at most that much late and never
/// early; the levels reach 2 s, 9 min, 38 h and 400 days. All on one thread.
class TimerWheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(8);

  explicit TimerWheel(MonoTime start) noexcept;

  /// Arms or moves `timer`. It runs in the first advance() at or after `deadline`.
  void arm(Timer& timer, MonoTime deadline) noexcept;
  /// Disarms; the handler will not run.
  void disarm(Timer& timer) noexcept {
    timer.armed_ = false;
    timer.unlink();
  }
  /// Runs the handlers of everything due. Handlers may arm and disarm any timer and destroy their
  /// owner.
  void advance(Now now);
  /// How long nothing will be due, at most `limit`. May be too short (a slot that only needs
  /// refiling), never too long.
  Duration idle_time(MonoTime now, Duration limit) const noexcept;

 private:
  static constexpr int kSlotBits = 8;
  static constexpr std::int64_t kSlots = 1 << kSlotBits;
  static constexpr int kLevels = 4;

  std::int64_t tick_at_or_after(MonoTime time) const noexcept;
  void file(Timer& timer, std::int64_t earliest_tick) noexcept;
  void cascade(int level) noexcept;

  struct Slot {
    Slot() noexcept;
    Timer head;
  };
  MonoTime start_;
  std::int64_t tick_ = 0;  // the last tick that was run
  std::array<std::array<Slot, kSlots>, kLevels> slots_;
  /// A bit a slot of level 0: set when something is filed there, cleared when the slot is run. An
  /// event loop asks idle_time() every turn; four words answer it, 256 list heads would cost a
  /// cache line each.
  std::array<std::uint64_t, kSlots / 64> occupied_{};
};

}  // namespace postern

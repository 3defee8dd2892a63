// The windows of one rate limit, as the limiter counts them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/time.hpp"
#include "store/config/rate_limits.hpp"

namespace postern::policy {

/// Up to four windows (second, minute, hour, day) cut into slots of the same number each, so that
/// slot borders of a longer window are slot borders of a shorter one. Immutable.
///
/// What was counted in a slot counts until the slot is a whole window old. In no interval of a
/// window's length is more admitted than its limit, wherever the interval begins; and credit comes
/// back at most one slot (3 % of the window) later than an endless list of times would give it.
class RateWindows {
 public:
  static constexpr std::size_t kWindowsMax = 4;
  /// Slots of a window: memory (8 octets each) against how late credit comes back. 32 of them are
  /// 3 %.
  static constexpr std::int64_t kSlots = 32;
  /// Slots remembered: an event at a slot's end is a window old one slot after one at its start.
  static constexpr std::int64_t kRing = kSlots + 1;

  struct Window {
    std::uint64_t limit = 0;
    std::int64_t slots_per_slot = 1;  ///< how many of the shortest window's slots make one of these
  };

  explicit RateWindows(const config::RateLimits& limits) noexcept;

  std::size_t count() const noexcept { return count_; }
  bool off() const noexcept { return count_ == 0; }
  const Window& operator[](std::size_t index) const noexcept { return windows_[index]; }
  /// Number of the shortest window's slot at `time`; not while off().
  std::int64_t slot_at(MonoTime time) const noexcept {
    return time.time_since_epoch().count() / slot_ns_;
  }

 private:
  std::array<Window, kWindowsMax> windows_{};
  std::size_t count_ = 0;
  std::int64_t slot_ns_ = 1;
};

}  // namespace postern::policy

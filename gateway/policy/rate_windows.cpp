#include "gateway/policy/rate_windows.hpp"

namespace postern::policy {

RateWindows::RateWindows(const config::RateLimits& limits) noexcept {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  const auto add = [this](std::uint64_t limit, std::int64_t seconds) {
    if (limit == 0) return;
    const std::int64_t slot_ns = seconds * kSecondNs / kSlots;
    if (count_ == 0) slot_ns_ = slot_ns;
    windows_[count_++] = {.limit = limit, .slots_per_slot = slot_ns / slot_ns_};
  };
  static_assert(kSecondNs % kSlots == 0);
  add(limits.per_second, 1);
  add(limits.per_minute, 60);
  add(limits.per_hour, 3600);
  add(limits.per_day, 86400);
}

}  // namespace postern::policy

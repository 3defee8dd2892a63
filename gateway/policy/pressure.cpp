#include "gateway/policy/pressure.hpp"

#include <algorithm>

namespace postern::policy {

std::string_view name_of(Resource resource) noexcept {
  switch (resource) {
    case Resource::memory:
      return "memory";
    case Resource::disk:
      return "disk";
    case Resource::stall:
      return "stall";
    case Resource::latency:
      return "latency";
    case Resource::count_:
      break;
  }
  return "unknown";
}

std::string_view name_of(PressureLevel level) noexcept {
  switch (level) {
    case PressureLevel::none:
      return "none";
    case PressureLevel::medium:
      return "medium";
    case PressureLevel::high:
      return "high";
  }
  return "unknown";
}

std::string_view name_of(PressureAction action) noexcept {
  switch (action) {
    case PressureAction::none:
      return "none";
    case PressureAction::delay_strangers:
      return "delay_strangers";
    case PressureAction::refuse_strangers:
      return "refuse_strangers";
    case PressureAction::refuse_all:
      return "refuse_all";
  }
  return "unknown";
}

// The level that follows from the one before: high where it is reached, or was and still holds; and
// so on downwards. `reached(limit, inside)` compares with the threshold, or with a part of it.
template <class Reached>
void PressureGauge::judge(Resource resource, Threshold threshold, Reached&& reached) {
  PressureLevel& level = levels_[static_cast<std::size_t>(resource)];
  if (threshold.high != 0 && reached(threshold.high, level == PressureLevel::high)) {
    level = PressureLevel::high;
  } else if (threshold.medium != 0 && reached(threshold.medium, level != PressureLevel::none)) {
    level = PressureLevel::medium;
  } else {
    level = PressureLevel::none;
  }
}

void PressureGauge::judge_rising(Resource resource, std::uint64_t value, Threshold threshold) {
  judge(resource, threshold, [&](std::uint64_t limit, bool inside) {
    return inside ? value * 100 > limit * limits_.settings.recovery_percent : value >= limit;
  });
}

// Less is worse.
void PressureGauge::judge_disk(std::uint64_t free_octets) {
  const std::uint64_t min = limits_.disk_free_min_octets;
  if (min == 0 || free_octets == 0) return;
  const std::uint64_t percent = limits_.settings.disk_medium_percent;
  // In two parts: the product may have more than 64 bits.
  const Threshold threshold{.medium = min / 100 * percent + min % 100 * percent / 100, .high = min};
  judge(Resource::disk, threshold, [&](std::uint64_t limit, bool inside) {
    return inside ? free_octets / 100 * limits_.settings.recovery_percent < limit
                  : free_octets <= limit;
  });
}

PressureAction PressureGauge::update(const PressureSample& sample, MonoTime now) {
  const config::PressureSettings& settings = limits_.settings;
  if (limits_.memory_budget_octets != 0) {
    judge_rising(Resource::memory, sample.memory_octets * 100 / limits_.memory_budget_octets,
                 {settings.memory_medium_percent, settings.memory_high_percent});
  }
  judge_disk(sample.disk_free_octets);
  const std::uint64_t groups = sample.groups - last_.groups;
  const std::uint64_t stalls = sample.stalls - last_.stalls;
  // Half of what it was and half of what it is: a single stalled group is gone after some seconds.
  const std::uint64_t stalled_now = groups + stalls == 0 ? 0 : stalls * 100 / (groups + stalls);
  stall_percent_ = (stall_percent_ + stalled_now) / 2;
  judge_rising(Resource::stall, stall_percent_,
               {settings.stall_medium_percent, settings.stall_high_percent});
  if (groups != 0 || sample.memory_octets == 0) {
    const std::uint64_t micros = sample.sync_micros - last_.sync_micros;
    const std::uint64_t mean_ms = groups == 0 ? 0 : micros / groups / 1000;
    judge_rising(Resource::latency, mean_ms,
                 {settings.latency_medium_ms, settings.latency_high_ms});
  }
  last_ = sample;

  const PressureLevel before = level_;
  level_ = *std::max_element(levels_.begin(), levels_.end());
  if (before == PressureLevel::none && level_ != PressureLevel::none) medium_since_ = now;
  switch (level_) {
    case PressureLevel::none:
      return PressureAction::none;
    case PressureLevel::medium:
      return now - medium_since_ < settings.patience ? PressureAction::delay_strangers
                                                     : PressureAction::refuse_strangers;
    case PressureLevel::high:
      return PressureAction::refuse_all;
  }
  return PressureAction::none;
}

Resource PressureGauge::reason() const noexcept {
  const auto worst = std::max_element(levels_.begin(), levels_.end());
  return static_cast<Resource>(worst - levels_.begin());
}

}  // namespace postern::policy

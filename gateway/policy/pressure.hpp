// Back pressure (SMTP-13): how near the machine is to its limits, and who is told to come later.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "runtime/time.hpp"
#include "store/config/settings.hpp"

namespace postern::policy {

/// What is measured; a level's reason.
enum class Resource : std::uint8_t { memory, disk, stall, latency, count_ };
inline constexpr std::size_t kResources = static_cast<std::size_t>(Resource::count_);
/// Name for logs and metric labels.
std::string_view name_of(Resource resource) noexcept;

enum class PressureLevel : std::uint8_t { none, medium, high };
std::string_view name_of(PressureLevel level) noexcept;

/// What follows for clients; each holds what the ones before it do.
enum class PressureAction : std::uint8_t {
  none,
  delay_strangers,   ///< greeting and MAIL of who is neither logged in nor trusted take longer
  refuse_strangers,  ///< they get 452 4.3.1
  refuse_all,        ///< everybody does
};

std::string_view name_of(PressureAction action) noexcept;

/// One look at the machine. Counters since the start; the gauge takes differences.
struct PressureSample {
  std::uint64_t memory_octets = 0;     ///< held by messages on their way to the disk
  std::uint64_t disk_free_octets = 0;  ///< 0: not known yet
  std::uint64_t groups = 0;            ///< synced writes so far
  std::uint64_t stalls = 0;            ///< of groups that the store refused because it would stall
  std::uint64_t sync_micros = 0;       ///< of all those writes together
};

struct PressureLimits {
  std::uint64_t memory_budget_octets = 0;
  std::uint64_t disk_free_min_octets = 0;  ///< 0: disk space is not looked at
  config::PressureSettings settings;
};

/// Turns samples into a level. A level is entered at its threshold and left when the value has come
/// down to `recovery_percent` of it, so that a value that trembles does not switch clients on and
/// off. Messages that were accepted are never touched: all that follows happens before MAIL is
/// answered. One thread.
class PressureGauge {
 public:
  explicit PressureGauge(PressureLimits limits) : limits_(std::move(limits)) {}

  /// About once a second. Returns what follows from it.
  PressureAction update(const PressureSample& sample, MonoTime now);

  PressureLevel level() const noexcept { return level_; }
  PressureLevel level_of(Resource resource) const noexcept {
    return levels_[static_cast<std::size_t>(resource)];
  }
  /// The resource at the highest level; meaningful while level() is not none.
  Resource reason() const noexcept;

 private:
  struct Threshold {
    std::uint64_t medium = 0;  // 0: never
    std::uint64_t high = 0;
  };
  template <class Reached>
  void judge(Resource resource, Threshold threshold, Reached&& reached);
  void judge_rising(Resource resource, std::uint64_t value, Threshold threshold);
  void judge_disk(std::uint64_t free_octets);

  const PressureLimits limits_;
  std::array<PressureLevel, kResources> levels_{};
  PressureLevel level_ = PressureLevel::none;
  PressureSample last_{};
  std::uint64_t stall_percent_ = 0;  // smoothed over some seconds
  MonoTime medium_since_{};
};

}  // namespace postern::policy

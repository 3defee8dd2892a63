// Rates as people write them, "10/s, 600/min, 5000/h": at most so many in any such time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/config/units.hpp"

namespace postern::config {

/// At most this many in any second, minute, hour and day; 0: no limit. All hold at once.
struct RateLimits {
  std::uint64_t per_second = 0;
  std::uint64_t per_minute = 0;
  std::uint64_t per_hour = 0;
  std::uint64_t per_day = 0;
  bool off() const noexcept { return (per_second | per_minute | per_hour | per_day) == 0; }
  friend bool operator==(const RateLimits&, const RateLimits&) = default;
};

/// Reads "600/min", "10/s, 600/min", "1GiB/d" (with Unit::octets); "0", "off" and "unlimited" are
/// no limit. nullopt: none of these, a window twice, or a number of more than 48 bits.
std::optional<RateLimits> parse_rates(std::string_view text, Unit unit);
/// The form that parse_rates() reads back; "0" when off.
std::string format_rates(const RateLimits& rates, Unit unit);

}  // namespace postern::config

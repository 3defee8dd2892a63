#include "runtime/config/binder.hpp"

#include <fmt/format.h>

namespace postern::config {

std::string format_range(Range range, Unit unit) {
  std::string out =
      fmt::format("{} to {}", format_quantity(range.min, unit), format_quantity(range.max, unit));
  if (range.zero_is_off) out += ", or 0 (no limit)";
  if (range.zero_is_none) out += ", or 0 (off)";
  return out;
}

}  // namespace postern::config

#include "runtime/config/units.hpp"

#include <charconv>
#include <fmt/format.h>
#include <iterator>
#include <span>

namespace postern::config {
namespace {

struct UnitName {
  std::string_view name;
  std::uint64_t factor;
};

// Smallest first, and the name that format_quantity() prefers before its other spellings.
constexpr UnitName kOctets[] = {
    {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}};
constexpr UnitName kSeconds[] = {{"s", 1},  {"sec", 1},  {"min", 60},
                                 {"m", 60}, {"h", 3600}, {"d", 86400}};

std::span<const UnitName> names_of(Unit unit) {
  switch (unit) {
    case Unit::octets:
      return kOctets;
    case Unit::time:
      return kSeconds;
    case Unit::count:
      break;
  }
  return {};
}

constexpr std::uint64_t kQuantityMax = INT64_MAX;  // what a TOML integer holds

}  // namespace

std::optional<std::uint64_t> parse_quantity(std::string_view text, Unit unit) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number > kQuantityMax) return std::nullopt;
  std::string_view name(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  if (name.empty()) return number;
  while (name.starts_with(' ')) name.remove_prefix(1);
  for (const UnitName& known : names_of(unit)) {
    if (known.name != name) continue;
    if (number > kQuantityMax / known.factor) return std::nullopt;
    return number * known.factor;
  }
  return std::nullopt;
}

std::string format_quantity(std::uint64_t value, Unit unit) {
  if (unit == Unit::count || value == 0) return fmt::format("{}", value);
  const UnitName* best = nullptr;
  for (const UnitName& known : names_of(unit)) {
    const bool divides = value % known.factor == 0;
    if (divides && (best == nullptr || known.factor > best->factor)) best = &known;
  }
  return fmt::format("{}{}", value / best->factor, best->name);
}

std::string readable_octets(std::uint64_t octets) {
  constexpr std::string_view kNames[] = {"KiB", "MiB", "GiB", "TiB"};
  if (octets < 1024) return fmt::format("{} B", octets);
  double value = static_cast<double>(octets) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kNames)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kNames[unit]);
}

}  // namespace postern::config

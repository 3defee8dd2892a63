// Durations and sizes as people write them in a configuration file: "30s", "5min", "36MiB".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::config {

/// What a number in the configuration counts.
enum class Unit : std::uint8_t {
  count,   ///< plain numbers
  octets,  ///< sizes: B, KiB, MiB, GiB, TiB
  time,    ///< durations: s, min, h, d
};

/// Reads "36MiB", "5 min", "90" (base units: octets, seconds). nullopt: not a number with a unit
/// that `unit` has, or too large for 63 bits. Decimal units ("MB") are refused: readers disagree
/// about them.
std::optional<std::uint64_t> parse_quantity(std::string_view text, Unit unit);

/// The shortest exact form that parse_quantity() reads back: 300 s is "5min", 36 << 20 octets
/// "36MiB".
std::string format_quantity(std::uint64_t value, Unit unit);

/// "4.1 KiB": for reading, not for computing.
std::string readable_octets(std::uint64_t octets);

}  // namespace postern::config

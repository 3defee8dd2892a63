// Splitting a command line (RFC 1939 section 3 as varied by MS-STANXPOP3 2.1.1 and 2.1.2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace postern::pop3 {

/// One command line taken apart. Views into the line: valid as long as it.
struct CommandLine {
  static constexpr std::size_t kArgumentsMax = 3;  ///< more are counted, but not kept

  std::string_view keyword;  ///< as sent; compare without case
  /// Everything behind the one separator that follows the keyword, blanks at both ends included.
  std::string_view tail;
  /// Everything behind all separators that follow the keyword, inner and trailing blanks included.
  std::string_view rest;
  std::array<std::string_view, kArgumentsMax> arguments;  ///< blank-separated pieces of `rest`
  std::size_t argument_count = 0;                         ///< may exceed kArgumentsMax
};

/// Splits `line` (without its line end) at runs of SP and TAB (POP-01). An empty keyword means that
/// the line was empty or began with a blank.
CommandLine split_command_line(std::string_view line) noexcept;

/// A non-negative decimal number; nullopt when `text` is empty or holds anything but digits.
/// Numbers too large for 64 bits come back as the largest one: no message has that number.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// Compares ASCII text without regard to case.
bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept;

}  // namespace postern::pop3

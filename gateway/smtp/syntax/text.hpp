// Small text tools of the SMTP syntax: ASCII case folding, numbers, UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace postern::smtp::text {

constexpr char upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}
constexpr bool is_alpha(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_hex_digit(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr bool is_8bit(char c) noexcept { return (static_cast<unsigned char>(c) & 0x80) != 0; }

/// Equal but for the case of ASCII letters.
constexpr bool equal_folded(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (upper(a[i]) != upper(b[i])) return false;
  }
  return true;
}
constexpr bool starts_folded(std::string_view a, std::string_view prefix) noexcept {
  return a.size() >= prefix.size() && equal_folded(a.substr(0, prefix.size()), prefix);
}

/// 1 to 20 decimal digits and nothing else (RFC 1870 section 4); nullopt also when 64 bits do not
/// hold it.
std::optional<std::uint64_t> parse_number(std::string_view digits) noexcept;
/// Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
bool is_utf8(std::string_view octets) noexcept;
/// Any octet above 127.
bool has_8bit(std::string_view octets) noexcept;

}  // namespace postern::smtp::text

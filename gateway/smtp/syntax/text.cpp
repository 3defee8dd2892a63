#include "gateway/smtp/syntax/text.hpp"

#include <limits>

namespace postern::smtp::text {

std::optional<std::uint64_t> parse_number(std::string_view digits) noexcept {
  if (digits.empty() || digits.size() > 20) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

bool has_8bit(std::string_view octets) noexcept {
  unsigned char all = 0;
  for (const char c : octets) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
  return (all & 0x80) != 0;
}

bool is_utf8(std::string_view octets) noexcept {
  std::size_t at = 0;
  while (at < octets.size()) {
    const auto lead = static_cast<unsigned char>(octets[at++]);
    if (lead < 0x80) continue;
    std::size_t more = 0;
    std::uint32_t least = 0;  // smallest code point that needs this length
    std::uint32_t point = 0;
    if ((lead & 0xE0) == 0xC0) {
      more = 1, least = 0x80, point = lead & 0x1F;
    } else if ((lead & 0xF0) == 0xE0) {
      more = 2, least = 0x800, point = lead & 0x0F;
    } else if ((lead & 0xF8) == 0xF0) {
      more = 3, least = 0x10000, point = lead & 0x07;
    } else {
      return false;
    }
    if (octets.size() - at < more) return false;
    for (; more > 0; --more) {
      const auto next = static_cast<unsigned char>(octets[at++]);
      if ((next & 0xC0) != 0x80) return false;
      point = (point << 6) | (next & 0x3F);
    }
    if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
  }
  return true;
}

}  // namespace postern::smtp::text

#include "sidecars/pop3/command_line.hpp"

#include <limits>

namespace postern::pop3 {

namespace {

constexpr std::string_view kSeparators = " \t";

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

CommandLine split_command_line(std::string_view line) noexcept {
  CommandLine out;
  const std::size_t keyword_end = line.find_first_of(kSeparators);
  out.keyword = line.substr(0, keyword_end);
  if (keyword_end == std::string_view::npos) return out;
  out.tail = line.substr(keyword_end + 1);
  const std::size_t rest_begin = line.find_first_not_of(kSeparators, keyword_end);
  if (rest_begin == std::string_view::npos) return out;
  out.rest = line.substr(rest_begin);
  std::size_t begin = 0;
  while (begin < out.rest.size()) {
    std::size_t end = out.rest.find_first_of(kSeparators, begin);
    if (end == std::string_view::npos) end = out.rest.size();
    if (out.argument_count < CommandLine::kArgumentsMax)
      out.arguments[out.argument_count] = out.rest.substr(begin, end - begin);
    ++out.argument_count;
    begin = out.rest.find_first_not_of(kSeparators, end);
    if (begin == std::string_view::npos) break;
  }
  return out;
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t value = 0;
  bool overflow = false;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kLargest - digit) / 10) overflow = true;
    if (!overflow) value = value * 10 + digit;
  }
  return overflow ? kLargest : value;
}

bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (lower(left[i]) != lower(right[i])) return false;
  return true;
}

}  // namespace postern::pop3

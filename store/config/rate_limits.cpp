#include "store/config/rate_limits.hpp"

#include <algorithm>

namespace postern::config {

namespace {

// Counters of a rate are sums of 64 bits; this leaves room for any number of additions.
constexpr std::uint64_t kRateMax = (1ull << 48) - 1;

struct Window {
  std::string_view word;
  std::uint64_t RateLimits::* limit;
};
constexpr Window kWindows[] = {{"s", &RateLimits::per_second},
                               {"min", &RateLimits::per_minute},
                               {"h", &RateLimits::per_hour},
                               {"d", &RateLimits::per_day}};

std::string_view trimmed(std::string_view text) {
  const std::size_t from = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(from);
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

bool take_rate(std::string_view text, Unit unit, RateLimits& into) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto number = parse_quantity(trimmed(text.substr(0, slash)), unit);
  const std::string_view word = trimmed(text.substr(slash + 1));
  for (const Window& window : kWindows) {
    if (word != window.word) continue;
    std::uint64_t& limit = into.*window.limit;
    if (!number || *number == 0 || *number > kRateMax || limit != 0) return false;
    limit = *number;
    return true;
  }
  return false;
}

}  // namespace

std::optional<RateLimits> parse_rates(std::string_view text, Unit unit) {
  RateLimits rates;
  text = trimmed(text);
  if (text == "0" || text == "off" || text == "unlimited") return rates;
  while (true) {
    const std::size_t comma = text.find(',');
    if (!take_rate(text.substr(0, comma), unit, rates)) return std::nullopt;
    if (comma == std::string_view::npos) return rates;
    text.remove_prefix(comma + 1);
  }
}

std::string format_rates(const RateLimits& rates, Unit unit) {
  std::string text;
  for (const Window& window : kWindows) {
    const std::uint64_t limit = rates.*window.limit;
    if (limit == 0) continue;
    if (!text.empty()) text += ", ";
    text += format_quantity(limit, unit);
    text += '/';
    text += window.word;
  }
  return text.empty() ? "0" : text;
}

}  // namespace postern::config

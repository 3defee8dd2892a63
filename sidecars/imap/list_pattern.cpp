#include "sidecars/imap/list_pattern.hpp"

#include "sidecars/imap/mailbox_name.hpp"

namespace postern::imap {
namespace {

std::u32string folded_code_points(std::string_view utf8) {
  std::u32string points;
  points.reserve(utf8.size());
  while (!utf8.empty()) points.push_back(fold_code_point(take_code_point(utf8)));
  return points;
}

}  // namespace

std::optional<ListPattern> ListPattern::compile(std::string_view wire) {
  ListPattern pattern;
  while (!wire.empty()) {
    if (wire.front() == '*' || wire.front() == '%') {
      const char32_t token = wire.front() == '*' ? kStar : kPercent;
      wire.remove_prefix(1);
      pattern.has_percent_ |= token == kPercent;
      // "**" is "*", and so are "*%" and "%*"; "%%" is "%".
      if (!pattern.tokens_.empty() && pattern.tokens_.back() >= kStar) {
        if (token == kStar) pattern.tokens_.back() = kStar;
      } else {
        pattern.tokens_.push_back(token);
      }
      continue;
    }
    const auto utf8 = from_wire_name(wire.substr(0, wire.find_first_of("*%")));
    if (!utf8) return std::nullopt;
    pattern.tokens_ += folded_code_points(*utf8);
    wire.remove_prefix(std::min(wire.size(), wire.find_first_of("*%")));
  }
  return pattern;
}

bool ListPattern::matches(std::string_view utf8) const {
  // Greedy with two places to return to: the last "*", and the last "%" behind it. An earlier
  // wildcard never needs to grow: whatever it could still reach, the later one reaches too.
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  const std::u32string name = folded_code_points(utf8);
  std::size_t at = 0;
  std::size_t token = 0;
  std::size_t star_token = kNone;
  std::size_t star_at = 0;
  std::size_t percent_token = kNone;
  std::size_t percent_at = 0;
  while (true) {
    if (token < tokens_.size() && tokens_[token] == kStar) {
      star_token = ++token;
      star_at = at;
      percent_token = kNone;
      continue;
    }
    if (token < tokens_.size() && tokens_[token] == kPercent) {
      percent_token = ++token;
      percent_at = at;
      continue;
    }
    if (at == name.size() && token == tokens_.size()) return true;
    if (at < name.size() && token < tokens_.size() && name[at] == tokens_[token]) {
      ++at;
      ++token;
      continue;
    }
    if (percent_token != kNone && percent_at < name.size() &&
        name[percent_at] != static_cast<char32_t>(kHierarchyDelimiter)) {
      at = ++percent_at;
      token = percent_token;
    } else if (star_token != kNone && star_at < name.size()) {
      percent_token = kNone;
      at = ++star_at;
      token = star_token;
    } else {
      return false;
    }
  }
}

}  // namespace postern::imap

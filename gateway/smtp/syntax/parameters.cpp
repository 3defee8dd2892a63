#include "gateway/smtp/syntax/parameters.hpp"

#include <algorithm>

#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

bool is_keyword(std::string_view text) noexcept {
  if (text.empty() || text.front() == '-') return false;
  return std::ranges::all_of(
      text, [](char c) { return text::is_alpha(c) || text::is_digit(c) || c == '-'; });
}

// esmtp-value, with the UTF-8 that RFC 6531 3.3 adds.
bool is_value(std::string_view text) noexcept {
  if (text.empty()) return false;
  return std::ranges::all_of(
      text, [](char c) { return text::is_8bit(c) || (c > ' ' && c <= '~' && c != '='); });
}

// Hexadecimal digits of xtext are capitals.
int hex_value(char c) noexcept {
  if (text::is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<Parameter> ParameterList::next() noexcept {
  if (rest_.empty() || failed_) return std::nullopt;
  // One space is the rule; more are tolerated.
  const std::size_t spaces = std::min(rest_.find_first_not_of(' '), rest_.size());
  if (spaces == 0) {
    failed_ = true;
    return std::nullopt;
  }
  rest_.remove_prefix(spaces);
  if (rest_.empty()) return std::nullopt;
  const std::string_view word = rest_.substr(0, rest_.find(' '));
  rest_.remove_prefix(word.size());
  const std::size_t equals = word.find('=');
  Parameter parameter{.keyword = word.substr(0, equals)};
  if (equals != std::string_view::npos) {
    parameter.has_value = true;
    parameter.value = word.substr(equals + 1);
  }
  if (!is_keyword(parameter.keyword) || (parameter.has_value && !is_value(parameter.value))) {
    failed_ = true;
    return std::nullopt;
  }
  return parameter;
}

std::optional<std::string> decode_xtext(std::string_view xtext) {
  std::string out;
  for (std::size_t at = 0; at < xtext.size(); ++at) {
    const char c = xtext[at];
    if (c < '!' || c > '~' || c == '=') return std::nullopt;
    if (c != '+') {
      out.push_back(c);
      continue;
    }
    if (xtext.size() - at < 3) return std::nullopt;
    const int high = hex_value(xtext[at + 1]);
    const int low = hex_value(xtext[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    at += 2;
  }
  return out;
}

}  // namespace postern::smtp

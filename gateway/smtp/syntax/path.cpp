#include "gateway/smtp/syntax/path.hpp"

#include <array>

#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

using text::is_8bit;
using text::is_alpha;
using text::is_digit;

// RFC 5322 3.2.3, and UTF8-non-ascii of RFC 6531 3.3.
constexpr bool is_atext(char c) noexcept {
  return is_alpha(c) || is_digit(c) || is_8bit(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

constexpr auto kAtext = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) table[static_cast<std::size_t>(c)] = is_atext(static_cast<char>(c));
  return table;
}();

bool atext(char c) noexcept { return kAtext[static_cast<unsigned char>(c)]; }

// Length of the Dot-string at the start of `in`; 0: there is none.
std::size_t dot_string_length(std::string_view in) noexcept {
  std::size_t at = 0;
  while (true) {
    const std::size_t atom = at;
    while (at < in.size() && atext(in[at])) ++at;
    if (at == atom) return 0;
    if (at == in.size() || in[at] != '.') return at;
    ++at;
  }
}

// Length of the Quoted-string at the start of `in`, quotes included; 0: there is none.
std::size_t quoted_string_length(std::string_view in) noexcept {
  for (std::size_t at = 1; at < in.size(); ++at) {
    if (in[at] == '"') return at + 1;
    if (in[at] == '\\' && ++at == in.size()) return 0;
    if (!is_8bit(in[at]) && (in[at] < ' ' || in[at] > '~')) return 0;
  }
  return 0;
}

// Length of what may be a domain or address literal at the start of `in`.
std::size_t domain_length(std::string_view in) noexcept {
  if (!in.empty() && in.front() == '[') {
    const std::size_t close = in.find(']');
    return close == std::string_view::npos ? 0 : close + 1;
  }
  std::size_t at = 0;
  while (at < in.size() && (is_alpha(in[at]) || is_digit(in[at]) || is_8bit(in[at]) ||
                            in[at] == '.' || in[at] == '-' || in[at] == '_')) {
    ++at;
  }
  return at;
}

bool is_domain_or_literal(std::string_view in) noexcept {
  return is_domain(in) || is_address_literal(in);
}

// Length of the source route "@a,@b:" at the start of `in`; 0: it is malformed.
std::size_t source_route_length(std::string_view in) noexcept {
  std::size_t at = 0;
  while (at < in.size() && in[at] == '@') {
    const std::size_t length = domain_length(in.substr(at + 1));
    if (!is_domain_or_literal(in.substr(at + 1, length))) return 0;
    at += 1 + length;
    if (at == in.size()) return 0;
    if (in[at] == ':') return at + 1;
    if (in[at] != ',') return 0;
    ++at;
  }
  return 0;
}

// Parses local-part [ "@" domain ] at the start of `in`; the path's mailbox is what was parsed.
bool parse_mailbox(std::string_view in, Path& path) noexcept {
  path.quoted = !in.empty() && in.front() == '"';
  std::size_t at = path.quoted ? quoted_string_length(in) : dot_string_length(in);
  if (at == 0 || at > kLocalPartOctetsMax) return false;
  path.local_part = in.substr(0, at);
  if (at < in.size() && in[at] == '@') {
    const std::size_t length = domain_length(in.substr(at + 1));
    path.domain = in.substr(at + 1, length);
    if (!is_domain_or_literal(path.domain)) return false;
    at += 1 + length;
  }
  path.mailbox = in.substr(0, at);
  path.has_utf8 = text::has_8bit(path.mailbox);
  return !path.has_utf8 || text::is_utf8(path.mailbox);
}

bool is_ipv4(std::string_view text) noexcept {
  int numbers = 0;
  while (true) {
    std::size_t digits = 0;
    int value = 0;
    while (digits < text.size() && is_digit(text[digits]) && digits < 3) {
      value = value * 10 + (text[digits] - '0');
      ++digits;
    }
    if (digits == 0 || value > 255) return false;
    text.remove_prefix(digits);
    if (++numbers == 4) return text.empty();
    if (text.empty() || text.front() != '.') return false;
    text.remove_prefix(1);
  }
}

// RFC 4291 2.2 text forms.
bool is_ipv6(std::string_view text) noexcept {
  int groups = 0;
  bool compressed = false;
  if (text.starts_with("::")) {
    compressed = true;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (text.find(':') == std::string_view::npos && text.find('.') != std::string_view::npos) {
      if (!is_ipv4(text)) return false;
      groups += 2;
      break;
    }
    std::size_t digits = 0;
    while (digits < text.size() && text::is_hex_digit(text[digits])) ++digits;
    if (digits == 0 || digits > 4) return false;
    ++groups;
    text.remove_prefix(digits);
    if (text.empty()) break;
    if (text.starts_with("::")) {
      if (compressed) return false;
      compressed = true;
      text.remove_prefix(2);
    } else if (text.front() == ':' && text.size() > 1) {
      text.remove_prefix(1);
    } else {
      return false;
    }
  }
  return compressed ? groups <= 7 : groups == 8;
}

}  // namespace

bool is_domain(std::string_view domain) noexcept {
  constexpr std::size_t kLabelOctetsMax = 63;  // RFC 1035 2.3.4
  if (domain.empty() || domain.size() > kDomainOctetsMax) return false;
  std::size_t label = 0;
  for (std::size_t at = 0; at <= domain.size(); ++at) {
    if (at == domain.size() || domain[at] == '.') {
      if (label == 0 || label > kLabelOctetsMax || domain[at - 1] == '-') return false;
      label = 0;
      continue;
    }
    const char c = domain[at];
    const bool fits =
        is_alpha(c) || is_digit(c) || is_8bit(c) || c == '_' || (c == '-' && label > 0);
    if (!fits) return false;
    ++label;
  }
  return true;
}

bool is_address_literal(std::string_view text) noexcept {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  text = text.substr(1, text.size() - 2);
  if (text::starts_folded(text, "IPv6:")) return is_ipv6(text.substr(5));
  return is_ipv4(text);
}

PathResult parse_path(std::string_view in) noexcept {
  PathResult result;
  if (in.empty() || in.front() != '<') {
    result.error = PathError::no_path;
    return result;
  }
  result.error = PathError::invalid;
  std::string_view at = in.substr(1);
  if (!at.empty() && at.front() == '@') {
    const std::size_t route = source_route_length(at);
    if (route == 0) return result;
    at.remove_prefix(route);
  } else if (at.starts_with('>')) {
    result.error = PathError::none;
    result.rest = at.substr(1);
    return result;
  }
  if (!parse_mailbox(at, result.path)) return result;
  at.remove_prefix(result.path.mailbox.size());
  if (!at.starts_with('>')) return result;
  at.remove_prefix(1);
  if (in.size() - at.size() > kPathOctetsMax) return result;
  result.error = PathError::none;
  result.rest = at;
  return result;
}

bool is_mailbox(std::string_view in) noexcept {
  Path path;
  return parse_mailbox(in, path) && path.mailbox.size() == in.size() && !path.domain.empty();
}

std::string unquoted(const Path& path) {
  if (!path.quoted) return std::string(path.local_part);
  std::string out;
  const std::string_view inside = path.local_part.substr(1, path.local_part.size() - 2);
  for (std::size_t at = 0; at < inside.size(); ++at) {
    if (inside[at] == '\\') ++at;
    out.push_back(inside[at]);
  }
  return out;
}

}  // namespace postern::smtp

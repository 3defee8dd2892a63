#include "gateway/smtp/syntax/hello_name.hpp"

#include <algorithm>

#include "gateway/smtp/syntax/path.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

bool is_hello_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kDomainOctetsMax) return false;
  if (name.front() == '[') return is_address_literal(name);
  return std::ranges::all_of(name, [](char c) {
    return text::is_alpha(c) || text::is_digit(c) || c == '.' || c == '-' || c == '_' || c == ':';
  });
}

}  // namespace postern::smtp

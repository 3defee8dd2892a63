#include "gateway/smtp/listener_access.hpp"

#include <algorithm>

#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

ListenerAccess ListenerAccess::make(const config::SmtpListenerSettings& settings) {
  return {.users = settings.users,
          .mechanisms = settings.auth_mechanisms,
          .trusted_relay = settings.trusted_relay};
}

bool ListenerAccess::admits(std::string_view identity) const noexcept {
  if (users.empty()) return true;
  const std::string_view domain = identity.substr(std::min(identity.rfind('@'), identity.size()));
  return std::ranges::any_of(users, [&](const std::string& user) {
    return text::equal_folded(user.starts_with('@') ? domain : identity, user);
  });
}

bool ListenerAccess::offers(std::string_view mechanism) const noexcept {
  return std::ranges::any_of(
      mechanisms, [&](const std::string& name) { return text::equal_folded(mechanism, name); });
}

std::string ListenerAccess::mechanism_list() const {
  std::string list;
  for (const std::string& name : mechanisms) list.append(list.empty() ? "" : " ").append(name);
  return list;
}

}  // namespace postern::smtp

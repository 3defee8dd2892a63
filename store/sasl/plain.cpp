#include "store/sasl/plain.hpp"

namespace postern::sasl {

Step Plain::start(std::optional<std::string_view> initial) {
  if (!initial) return Challenge{};
  return respond(*initial);
}

// [authzid] NUL authcid NUL passwd; authcid and passwd are not empty, no field holds a NUL.
Step Plain::respond(std::string_view response) {
  const Failure malformed{Failure::Reason::malformed};
  const std::size_t first = response.find('\0');
  if (first == std::string_view::npos) return malformed;
  const std::size_t second = response.find('\0', first + 1);
  if (second == std::string_view::npos) return malformed;
  const std::string_view authorize_as = response.substr(0, first);
  const std::string_view user = response.substr(first + 1, second - first - 1);
  const std::string_view password = response.substr(second + 1);
  if (user.empty() || password.empty() || password.find('\0') != std::string_view::npos) {
    return malformed;
  }
  if (authorize_as.size() > kCredentialOctetsMax || user.size() > kCredentialOctetsMax ||
      password.size() > kCredentialOctetsMax) {
    return malformed;
  }
  // Acting for somebody else is not offered.
  if (!authorize_as.empty() && authorize_as != user)
    return Failure{Failure::Reason::not_authorized};
  return Verify{.user = std::string(user), .password = std::string(password)};
}

}  // namespace postern::sasl

#include "store/sasl/login.hpp"

#include <utility>

namespace postern::sasl {

// An initial response is the user name.
Step Login::start(std::optional<std::string_view> initial) {
  if (!initial) return Challenge{"Username:"};
  return respond(*initial);
}

Step Login::respond(std::string_view response) {
  if (response.empty() || response.size() > kCredentialOctetsMax ||
      response.find('\0') != std::string_view::npos) {
    return Failure{Failure::Reason::malformed};
  }
  if (!have_user_) {
    have_user_ = true;
    user_ = response;
    return Challenge{"Password:"};
  }
  return Verify{.user = std::move(user_), .password = std::string(response)};
}

}  // namespace postern::sasl

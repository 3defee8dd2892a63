#include "store/sasl/external.hpp"

namespace postern::sasl {

Step External::start(std::optional<std::string_view> initial) {
  if (!initial) return Challenge{};
  return respond(*initial);
}

// [authzid], UTF-8 without NUL; empty: whoever the certificate names.
Step External::respond(std::string_view response) {
  if (response.size() > kCredentialOctetsMax || response.find('\0') != std::string_view::npos) {
    return Failure{Failure::Reason::malformed};
  }
  return Vouched{.authorize_as = std::string(response)};
}

}  // namespace postern::sasl

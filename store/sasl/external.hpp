// SASL EXTERNAL (RFC 4422 appendix A): the client is who its TLS certificate says it is.
#pragma once

#include "store/sasl/mechanism.hpp"

namespace postern::sasl {

class External final : public Mechanism {
 public:
  std::string_view name() const noexcept override { return "EXTERNAL"; }
  bool client_first() const noexcept override { return true; }
  Step start(std::optional<std::string_view> initial) override;
  Step respond(std::string_view response) override;
};

}  // namespace postern::sasl

// SASL PLAIN (RFC 4616): authorization identity, user name and password in one message.
#pragma once

#include "store/sasl/mechanism.hpp"

namespace postern::sasl {

class Plain final : public Mechanism {
 public:
  std::string_view name() const noexcept override { return "PLAIN"; }
  bool client_first() const noexcept override { return true; }
  Step start(std::optional<std::string_view> initial) override;
  Step respond(std::string_view response) override;
};

}  // namespace postern::sasl

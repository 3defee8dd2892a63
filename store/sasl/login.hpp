// SASL LOGIN (MS-XLOGIN): prompts for user name and password, one after the other. Obsolete and
// needed by clients in the field.
#pragma once

#include "store/sasl/mechanism.hpp"

namespace postern::sasl {

class Login final : public Mechanism {
 public:
  std::string_view name() const noexcept override { return "LOGIN"; }
  bool client_first() const noexcept override { return false; }
  Step start(std::optional<std::string_view> initial) override;
  Step respond(std::string_view response) override;

 private:
  bool have_user_ = false;
  std::string user_;
};

}  // namespace postern::sasl

#include "store/sasl/mechanism.hpp"

#include <algorithm>

#include "store/sasl/login.hpp"
#include "store/sasl/plain.hpp"

namespace postern::sasl {

std::unique_ptr<Mechanism> make_mechanism(std::string_view name) {
  const auto is = [name](std::string_view known) {
    return std::ranges::equal(name, known, [](char a, char b) {
      return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 32) : a) == b;
    });
  };
  if (is("PLAIN")) return std::make_unique<Plain>();
  if (is("LOGIN")) return std::make_unique<Login>();
  return nullptr;
}

}  // namespace postern::sasl

// ESMTP parameters of MAIL and RCPT: RFC 5321 4.1.1.11, xtext of RFC 3461 section 4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::smtp {

/// One "KEYWORD" or "KEYWORD=value". Views into the input.
struct Parameter {
  std::string_view keyword;  ///< any case
  std::string_view value;
  bool has_value = false;
};

/// Walks the parameters behind a path.
class ParameterList {
 public:
  explicit ParameterList(std::string_view text) noexcept : rest_(text) {}
  /// The next parameter; nullopt at the end, or at a syntax error (then failed()).
  std::optional<Parameter> next() noexcept;
  bool failed() const noexcept { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

/// Decodes xtext; nullopt: malformed.
std::optional<std::string> decode_xtext(std::string_view xtext);

}  // namespace postern::smtp

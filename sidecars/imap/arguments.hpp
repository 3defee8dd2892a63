// A cursor over the arguments of one command: the tokens of RFC 3501 section 9. Strict about single
// spaces, lenient about what a token may contain (IMAP-04, IMAP-05).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace postern::imap {

/// Reads from a view that must outlive it; literals stand in the text as "{n}CRLF" and n octets.
/// Errors are ErrorCode::invalid_argument with a text fit for a BAD answer. After an error the
/// cursor's place is unspecified.
class Arguments {
 public:
  explicit Arguments(std::string_view text) noexcept : text_(text) {}

  bool at_end() const noexcept { return position_ >= text_.size(); }
  /// The next octet, or NUL at the end.
  char peek() const noexcept { return at_end() ? '\0' : text_[position_]; }
  /// Consumes `octet` if it is next.
  bool take(char octet) noexcept;
  /// Consumes `word` if it is next, in any case of letters.
  bool take_word(std::string_view word) noexcept;
  /// The delimiter behind the command's name: one SP or TAB (IMAP-05).
  Result<void> first_space();
  /// Exactly one SP.
  Result<void> space();
  /// Nothing but blanks is left.
  Result<void> end();

  /// 1*<any octet above SP but ( ) " { % * DEL>: letters, digits and more; a view into the text.
  Result<std::string_view> atom();
  /// Like atom(), but ends also at `[`, `<`: names of FETCH items.
  Result<std::string_view> item_name();
  /// Quoted string or literal.
  Result<std::string> string();
  /// string(), or octets up to a space or parenthesis (wildcards and backslashes included).
  Result<std::string> astring();
  /// string(), or NIL (nullopt).
  Result<std::optional<std::string>> nstring();
  /// Decimal, at most 2^32-1.
  Result<std::uint32_t> number();
  /// Decimal, at most 2^63-1.
  Result<std::uint64_t> number64();
  /// Octets of a sequence set: digits, comma, colon, asterisk. A view.
  std::string_view sequence_octets() noexcept;

 private:
  Result<std::string> quoted();
  Result<std::string> literal();

  std::string_view text_;
  std::size_t position_ = 0;
};

/// ASCII letters to capitals.
std::string upper(std::string_view text);
/// Equal but for the case of ASCII letters.
bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept;

}  // namespace postern::imap

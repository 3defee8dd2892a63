#include "sidecars/imap/arguments.hpp"

#include <algorithm>
#include <charconv>

namespace postern::imap {
namespace {

constexpr char to_upper(char octet) noexcept {
  return octet >= 'a' && octet <= 'z' ? static_cast<char>(octet - 'a' + 'A') : octet;
}

std::unexpected<Error> malformed(std::string text) {
  return fail(ErrorCode::invalid_argument, std::move(text));
}

bool is_control(char octet) noexcept {
  return static_cast<unsigned char>(octet) < 0x20 || octet == 0x7f;
}

bool is_atom_octet(char octet) noexcept {
  return octet != ' ' && !is_control(octet) &&
         std::string_view("(){\"%*").find(octet) == std::string_view::npos;
}

bool is_astring_octet(char octet) noexcept {
  return octet != ' ' && octet != '(' && octet != ')' && octet != '"' && !is_control(octet);
}

}  // namespace

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), to_upper);
  return result;
}

bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept {
  return std::ranges::equal(left, right, {}, to_upper, to_upper);
}

bool Arguments::take(char octet) noexcept {
  if (at_end() || text_[position_] != octet) return false;
  ++position_;
  return true;
}

bool Arguments::take_word(std::string_view word) noexcept {
  if (!equals_ignoring_case(text_.substr(position_, word.size()), word)) return false;
  position_ += word.size();
  return true;
}

Result<void> Arguments::first_space() {
  if (take(' ') || take('\t')) return {};
  return malformed(at_end() ? "Arguments are missing" : "A space is missing");
}

Result<void> Arguments::space() {
  if (!take(' ')) return malformed(at_end() ? "Arguments are missing" : "A space is missing");
  if (peek() == ' ') return malformed("Only one space is allowed between arguments");
  return {};
}

Result<void> Arguments::end() {
  if (text_.find_first_not_of(" \t", position_) != std::string_view::npos) {
    return malformed("Unexpected characters at the end of the command");
  }
  position_ = text_.size();
  return {};
}

Result<std::string_view> Arguments::atom() {
  std::size_t last = position_;
  while (last < text_.size() && is_atom_octet(text_[last])) ++last;
  if (last == position_) return malformed("An atom was expected");
  const std::string_view found = text_.substr(position_, last - position_);
  position_ = last;
  return found;
}

Result<std::string_view> Arguments::item_name() {
  std::size_t last = position_;
  while (last < text_.size() && is_atom_octet(text_[last]) && text_[last] != '[' &&
         text_[last] != '<') {
    ++last;
  }
  if (last == position_) return malformed("A data item name was expected");
  const std::string_view found = text_.substr(position_, last - position_);
  position_ = last;
  return found;
}

Result<std::string> Arguments::quoted() {
  std::string value;
  ++position_;
  while (true) {
    const std::size_t stop = text_.find_first_of("\"\\\r\n", position_);
    if (stop == std::string_view::npos || text_[stop] == '\r' || text_[stop] == '\n') {
      return malformed("A quoted string has no end");
    }
    value.append(text_, position_, stop - position_);
    position_ = stop + 1;
    if (text_[stop] == '"') return value;
    // RFC 3501 lets only \ and " be escaped; other octets are taken as they are (IMAP-04).
    if (at_end() || peek() == '\r' || peek() == '\n')
      return malformed("A quoted string has no end");
    value.push_back(text_[position_++]);
  }
}

Result<std::string> Arguments::literal() {
  ++position_;
  std::uint64_t size = 0;
  const char* const last = text_.data() + text_.size();
  const auto [end, error] = std::from_chars(text_.data() + position_, last, size);
  position_ = static_cast<std::size_t>(end - text_.data());
  if (error != std::errc{}) return malformed("A literal has no valid size");
  if (!take('+')) take('-');
  if (!take('}')) return malformed("A literal has no valid size");
  take('\r');
  if (!take('\n') || size > text_.size() - position_) return malformed("A literal is incomplete");
  std::string value(text_.substr(position_, size));
  position_ += size;
  return value;
}

Result<std::string> Arguments::string() {
  if (peek() == '"') return quoted();
  if (peek() == '{') return literal();
  return malformed("A string was expected");
}

Result<std::string> Arguments::astring() {
  if (peek() == '"' || peek() == '{') return string();
  std::size_t last = position_;
  while (last < text_.size() && is_astring_octet(text_[last])) ++last;
  if (last == position_) return malformed("A string was expected");
  std::string value(text_.substr(position_, last - position_));
  position_ = last;
  return value;
}

Result<std::optional<std::string>> Arguments::nstring() {
  if (take_word("NIL")) return std::nullopt;
  auto value = string();
  if (!value) return std::unexpected(value.error());
  return std::optional<std::string>(std::move(*value));
}

Result<std::uint32_t> Arguments::number() {
  const auto value = number64();
  if (!value) return std::unexpected(value.error());
  if (*value > UINT32_MAX) return malformed("A number is too large");
  return static_cast<std::uint32_t>(*value);
}

Result<std::uint64_t> Arguments::number64() {
  std::uint64_t value = 0;
  const char* const first = text_.data() + position_;
  const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), value);
  if (end == first) return malformed("A number was expected");
  if (error != std::errc{} || value > INT64_MAX) return malformed("A number is too large");
  position_ += static_cast<std::size_t>(end - first);
  return value;
}

std::string_view Arguments::sequence_octets() noexcept {
  std::size_t last = text_.find_first_not_of("0123456789,:*", position_);
  if (last == std::string_view::npos) last = text_.size();
  const std::string_view found = text_.substr(std::min(position_, text_.size()), last - position_);
  position_ = last;
  return found;
}

}  // namespace postern::imap

#include "store/mime_header.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace postern::store {
namespace {

constexpr char to_lower(char octet) noexcept {
  return octet >= 'A' && octet <= 'Z' ? static_cast<char>(octet - 'A' + 'a') : octet;
}

bool is_blank(char octet) noexcept { return octet == ' ' || octet == '\t'; }

bool is_token_octet(char octet) noexcept {
  const auto value = static_cast<unsigned char>(octet);
  return value > 0x20 && value != 0x7f &&
         std::string_view("()<>@,;:\\\"/[]?=").find(octet) == std::string_view::npos;
}

/// A cursor over one unfolded structured value.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  bool at_end() const noexcept { return text_.empty(); }
  bool take(char octet) {
    skip_blanks();
    if (text_.empty() || text_.front() != octet) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// Blanks and comments, nested ones too.
  void skip_blanks() {
    std::size_t depth = 0;
    while (!text_.empty()) {
      const char octet = text_.front();
      if (depth == 0 && octet != '(' && !is_blank(octet)) return;
      if (octet == '(') ++depth;
      if (octet == ')') --depth;
      text_.remove_prefix(octet == '\\' && text_.size() > 1 ? 2 : 1);
    }
  }
  std::string token() {
    skip_blanks();
    return run(is_token_octet);
  }
  /// A quoted string, or everything up to a blank or semicolon: many senders forget the quotes.
  std::string value() {
    skip_blanks();
    if (text_.empty() || text_.front() != '"') {
      return run([](char octet) { return octet != ';' && !is_blank(octet); });
    }
    std::string quoted;
    text_.remove_prefix(1);
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\' && text_.size() > 1) text_.remove_prefix(1);
      quoted.push_back(text_.front());
      text_.remove_prefix(1);
    }
    if (!text_.empty()) text_.remove_prefix(1);
    return quoted;
  }
  void skip_past(char octet) {
    const std::size_t found = text_.find(octet);
    text_.remove_prefix(found == std::string_view::npos ? text_.size() : found + 1);
  }

 private:
  template <class Predicate>
  std::string run(Predicate belongs) {
    std::size_t length = 0;
    while (length < text_.size() && belongs(text_[length])) ++length;
    std::string found(text_.substr(0, length));
    text_.remove_prefix(length);
    return found;
  }

  std::string_view text_;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), to_lower);
  return text;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view without_line_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

using Field = std::optional<std::string> EnvelopeFields::*;
constexpr std::array<std::pair<std::string_view, Field>, 10> kEnvelopeNames = {{
    {"date", &EnvelopeFields::date},
    {"subject", &EnvelopeFields::subject},
    {"from", &EnvelopeFields::from},
    {"sender", &EnvelopeFields::sender},
    {"reply-to", &EnvelopeFields::reply_to},
    {"to", &EnvelopeFields::to},
    {"cc", &EnvelopeFields::cc},
    {"bcc", &EnvelopeFields::bcc},
    {"in-reply-to", &EnvelopeFields::in_reply_to},
    {"message-id", &EnvelopeFields::message_id},
}};

}  // namespace

bool same_field_name(std::string_view left, std::string_view right) noexcept {
  return std::ranges::equal(left, right, {}, to_lower, to_lower);
}

std::optional<HeaderField> take_field(std::string_view& header) noexcept {
  if (header.empty() || header.front() == '\n' || header.starts_with("\r\n")) return std::nullopt;
  std::size_t end = 0;
  do {
    const std::size_t newline = header.find('\n', end);
    end = newline == std::string_view::npos ? header.size() : newline + 1;
  } while (end < header.size() && is_blank(header[end]));
  HeaderField field{.name = {}, .value = {}, .whole = header.substr(0, end)};
  header.remove_prefix(end);
  const std::size_t colon = field.whole.find(':');
  const std::string_view name = field.whole.substr(0, colon);
  // A line break before the colon: the first line is no field and has no value.
  if (colon != std::string_view::npos && name.find('\n') == std::string_view::npos) {
    field.name = trim(name);
    field.value = without_line_end(field.whole.substr(colon + 1));
  }
  return field;
}

std::string unfold(std::string_view value, std::size_t octets_max) {
  value = value.substr(0, octets_max);
  std::string text;
  text.reserve(value.size());
  std::ranges::copy_if(value, std::back_inserter(text),
                       [](char octet) { return octet != '\r' && octet != '\n'; });
  const std::string_view trimmed = trim(text);
  if (trimmed.size() != text.size()) text = std::string(trimmed);
  return text;
}

bool HeaderEndFinder::feed(std::string_view octets) noexcept {
  for (std::size_t at = 0; at < octets.size() && !found_; ++at) {
    const char octet = octets[at];
    if (octet == '\n') {
      found_ = line_empty_;
      line_empty_ = true;
      after_cr_ = false;
      end_ += found_ ? at + 1 : 0;
    } else if (octet == '\r' && line_empty_ && !after_cr_) {
      after_cr_ = true;
    } else {
      line_empty_ = false;
      // The rest of this line does not matter.
      const std::size_t newline = octets.find('\n', at);
      at = (newline == std::string_view::npos ? octets.size() : newline) - 1;
    }
  }
  if (!found_) end_ += octets.size();
  return found_;
}

std::size_t header_octets(std::string_view header) noexcept {
  HeaderEndFinder finder;
  finder.feed(header);
  return finder.end();
}

std::size_t take_envelope_field(EnvelopeFields& envelope, std::string_view name,
                                std::string_view value) {
  for (const auto& [known, member] : kEnvelopeNames) {
    if (!same_field_name(name, known)) continue;
    if (envelope.*member) return 0;
    envelope.*member = unfold(value);
    return (envelope.*member)->size();
  }
  return 0;
}

EnvelopeFields read_envelope(std::string_view header) {
  EnvelopeFields envelope;
  while (const auto field = take_field(header)) {
    take_envelope_field(envelope, field->name, field->value);
  }
  return envelope;
}

std::optional<MimeValue> parse_mime_value(std::string_view unfolded, bool with_subtype) {
  Lexer lexer(unfolded);
  MimeValue value;
  value.type = lower(lexer.token());
  if (value.type.empty()) return std::nullopt;
  if (with_subtype) {
    if (!lexer.take('/')) return std::nullopt;
    value.subtype = lower(lexer.token());
    if (value.subtype.empty()) return std::nullopt;
  }
  while (!lexer.at_end() && value.parameters.size() < kMimeParametersMax) {
    if (!lexer.take(';')) {
      lexer.skip_past(';');
      if (lexer.at_end()) break;
    }
    std::string name = lower(lexer.token());
    if (name.empty() || !lexer.take('=')) continue;
    value.parameters.push_back({std::move(name), lexer.value()});
  }
  return value;
}

std::string parse_token(std::string_view unfolded) { return lower(Lexer(unfolded).token()); }

std::vector<std::string> parse_tokens(std::string_view unfolded) {
  std::vector<std::string> tokens;
  Lexer lexer(unfolded);
  while (!lexer.at_end() && tokens.size() < kMimeParametersMax) {
    if (std::string token = lexer.token(); !token.empty()) tokens.push_back(std::move(token));
    lexer.skip_past(',');
  }
  return tokens;
}

}  // namespace postern::store

#include "sidecars/imap/search_text.hpp"

#include <optional>

#include "sidecars/imap/arguments.hpp"
#include "sidecars/imap/mailbox_name.hpp"

namespace postern::imap {
namespace {

int base64_value(char octet) noexcept {
  if (octet >= 'A' && octet <= 'Z') return octet - 'A';
  if (octet >= 'a' && octet <= 'z') return octet - 'a' + 26;
  if (octet >= '0' && octet <= '9') return octet - '0' + 52;
  if (octet == '+') return 62;
  return octet == '/' ? 63 : -1;
}

int hex_value(char octet) noexcept {
  if (octet >= '0' && octet <= '9') return octet - '0';
  if (octet >= 'A' && octet <= 'F') return octet - 'A' + 10;
  if (octet >= 'a' && octet <= 'f') return octet - 'a' + 10;
  return -1;
}

/// Octets of the UTF-8 character that begins with `first`.
std::size_t utf8_length(char first) noexcept {
  const auto value = static_cast<unsigned char>(first);
  return value >= 0xf0 ? 4 : value >= 0xe0 ? 3 : value >= 0xc0 ? 2 : 1;
}

/// "=?charset?encoding?text?=" at the front of `text`: decodes it and takes it away.
bool take_encoded_word(std::string_view& text, std::string& out) {
  if (!text.starts_with("=?")) return false;
  const std::size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size()) return false;
  if (text[charset_end + 2] != '?') return false;
  const std::size_t begin = charset_end + 3;
  const std::size_t end = text.find("?=", begin);
  // RFC 2047 section 2: an encoded word has no blanks in it.
  if (end == std::string_view::npos) return false;
  std::string encoded(text.substr(begin, end - begin));
  if (encoded.find(' ') != std::string::npos) return false;
  std::string_view charset = text.substr(2, charset_end - 2);
  charset = charset.substr(0, charset.find('*'));  // RFC 2231 section 5: language
  const char encoding = text[charset_end + 1];
  TransferEncoding transfer = TransferEncoding::base64;
  if (encoding == 'q' || encoding == 'Q') {
    transfer = TransferEncoding::quoted_printable;
    for (char& octet : encoded) {
      if (octet == '_') octet = ' ';
    }
  } else if (encoding != 'b' && encoding != 'B') {
    return false;
  }
  TextDecoder(transfer, charset_named(charset)).feed(encoded, out);
  text.remove_prefix(end + 2);
  return true;
}

}  // namespace

Charset charset_named(std::string_view name) noexcept {
  for (const std::string_view known : {"utf-8", "utf8", "us-ascii", "ascii", ""}) {
    if (equals_ignoring_case(name, known)) return Charset::utf8;
  }
  for (const std::string_view known : {"iso-8859-1", "iso-8859-15", "windows-1252", "latin1"}) {
    if (equals_ignoring_case(name, known)) return Charset::latin1;
  }
  return Charset::other;
}

TransferEncoding encoding_named(std::string_view name) noexcept {
  if (equals_ignoring_case(name, "base64")) return TransferEncoding::base64;
  if (equals_ignoring_case(name, "quoted-printable")) return TransferEncoding::quoted_printable;
  return TransferEncoding::identity;
}

void TextDecoder::feed(std::string_view octets, std::string& out) {
  switch (encoding_) {
    case TransferEncoding::base64:
      feed_base64(octets, out);
      return;
    case TransferEncoding::quoted_printable:
      feed_quoted_printable(octets, out);
      return;
    case TransferEncoding::identity:
      for (const char octet : octets) put(octet, out);
      return;
  }
}

void TextDecoder::feed_base64(std::string_view octets, std::string& out) {
  for (const char octet : octets) {
    const int value = base64_value(octet);
    if (value < 0) continue;
    bits_ = bits_ << 6 | static_cast<std::uint32_t>(value);
    bit_count_ += 6;
    if (bit_count_ < 8) continue;
    bit_count_ -= 8;
    put(static_cast<char>(bits_ >> bit_count_ & 0xff), out);
    bits_ &= (1u << bit_count_) - 1;
  }
}

void TextDecoder::feed_quoted_printable(std::string_view octets, std::string& out) {
  for (const char octet : octets) {
    if (escape_.empty()) {
      if (octet == '=') {
        escape_.push_back(octet);
      } else {
        put(octet, out);
      }
      continue;
    }
    if (octet == '\n') {  // a soft line break
      escape_.clear();
      continue;
    }
    escape_.push_back(octet);
    if (octet == ' ' || octet == '\t' || octet == '\r') {
      if (escape_.size() > 80) escape_.clear();  // no soft line break: blanks without end
      continue;
    }
    if (escape_.size() < 3) continue;
    const int high = hex_value(escape_[1]);
    const int low = hex_value(escape_[2]);
    if (escape_.size() == 3 && high >= 0 && low >= 0) {
      put(static_cast<char>(high << 4 | low), out);
    }
    escape_.clear();
  }
}

void TextDecoder::put(char octet, std::string& out) {
  const auto value = static_cast<unsigned char>(octet);
  if (value < 0x80) {
    partial_.clear();
    append_utf8(out, fold_code_point(value));
    return;
  }
  if (charset_ == Charset::latin1) {
    append_utf8(out, fold_code_point(value));
    return;
  }
  if (charset_ == Charset::other) {
    append_utf8(out, 0xfffd);
    return;
  }
  if ((value & 0xc0) != 0x80) partial_.clear();
  partial_.push_back(octet);
  if (partial_.size() < utf8_length(partial_.front())) return;
  std::string_view character = partial_;
  append_utf8(out, fold_code_point(take_code_point(character)));
  partial_.clear();
}

std::string fold_header_text(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  bool after_word = false;
  std::size_t blanks_at = 0;  // where the blanks behind an encoded word begin in `out`
  while (!value.empty()) {
    const std::size_t before = out.size();
    if (value.front() == '=' && take_encoded_word(value, out)) {
      // RFC 2047 6.2: blanks between two encoded words are not shown.
      if (after_word) out.erase(blanks_at, before - blanks_at);
      after_word = true;
      blanks_at = out.size();
      continue;
    }
    if (value.front() != ' ' && value.front() != '\t') after_word = false;
    append_utf8(out, fold_code_point(take_code_point(value)));
  }
  return out;
}

Needle::Needle(std::string_view utf8) : text_(fold_name(utf8)), fallback_(text_.size()) {
  std::uint32_t border = 0;
  for (std::size_t at = 1; at < text_.size(); ++at) {
    while (border > 0 && text_[at] != text_[border]) border = fallback_[border - 1];
    if (text_[at] == text_[border]) ++border;
    fallback_[at] = border;
  }
}

bool Needle::find(std::string_view folded, std::size_t& state) const noexcept {
  if (text_.empty()) return true;
  for (const char octet : folded) {
    while (state > 0 && octet != text_[state]) state = fallback_[state - 1];
    if (octet == text_[state]) ++state;
    if (state == text_.size()) {
      state = fallback_[state - 1];
      return true;
    }
  }
  return false;
}

}  // namespace postern::imap

// Text for SEARCH: what a mail reader would show, in UTF-8 with the case taken out, and strings to
// find in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::imap {

/// Character sets that are decoded. Other sets' octets above 0x7f match nothing; their ASCII does.
enum class Charset : std::uint8_t { utf8, latin1, other };
Charset charset_named(std::string_view name) noexcept;

enum class TransferEncoding : std::uint8_t { identity, base64, quoted_printable };
TransferEncoding encoding_named(std::string_view name) noexcept;

/// Decodes a body's octets in any split: transfer encoding, character set, case.
class TextDecoder {
 public:
  TextDecoder(TransferEncoding encoding, Charset charset)
      : encoding_(encoding), charset_(charset) {}
  /// Appends what `octets` stand for, folded, to `out`. What is malformed is skipped.
  void feed(std::string_view octets, std::string& out);

 private:
  void feed_base64(std::string_view octets, std::string& out);
  void feed_quoted_printable(std::string_view octets, std::string& out);
  void put(char octet, std::string& out);

  TransferEncoding encoding_;
  Charset charset_;
  std::uint32_t bits_ = 0;  // base64
  unsigned bit_count_ = 0;
  std::string escape_;   // quoted-printable: "=" and what follows it so far
  std::string partial_;  // UTF-8: octets of a character that is not complete
};

/// A header field's value with its encoded words (RFC 2047) decoded, folded.
std::string fold_header_text(std::string_view value);

/// A string to look for, prepared once, found in text that comes in pieces (Knuth, Morris, Pratt).
class Needle {
 public:
  /// `utf8`: as the client sent it; the case is taken out here.
  explicit Needle(std::string_view utf8);
  /// Goes on from `state` (0 at the beginning of a text). true: found.
  bool find(std::string_view folded, std::size_t& state) const noexcept;
  bool find(std::string_view folded) const noexcept {
    std::size_t state = 0;
    return find(folded, state);
  }
  bool empty() const noexcept { return text_.empty(); }

 private:
  std::string text_;
  std::vector<std::uint32_t> fallback_;  // longest border of each prefix
};

}  // namespace postern::imap

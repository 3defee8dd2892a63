// Header fields of a message (RFC 5322 2.2, RFC 2045 5.1): splitting a header block, and the values
// that the message structure keeps. Lenient throughout: what cannot be read counts as absent
// (IMAP-47).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/message_structure.hpp"

namespace postern::store {

/// One field of a header block, as views into it.
struct HeaderField {
  std::string_view name;   ///< without colon and blanks; empty for a line that is no field
  std::string_view value;  ///< behind the colon, folded, without the last line end
  std::string_view whole;  ///< name, colon, value and line end: the octets as they are
};

/// Takes the first field from the front of `header`; nullopt at the blank line or the end.
std::optional<HeaderField> take_field(std::string_view& header) noexcept;

/// The value without line ends and without blanks around it; at most `octets_max` octets are looked
/// at.
std::string unfold(std::string_view value, std::size_t octets_max = kMimeFieldOctetsMax);

/// Finds where a header block ends, its blank line included, in octets fed in any split.
class HeaderEndFinder {
 public:
  /// True once the end is known.
  bool feed(std::string_view octets) noexcept;
  /// Octets up to the end; as long as it is not found, octets fed so far.
  std::size_t end() const noexcept { return end_; }

 private:
  std::size_t end_ = 0;
  bool found_ = false;
  bool line_empty_ = true;  // nothing but maybe a CR since the last LF
  bool after_cr_ = false;
};

/// Octets of `header` up to and including its blank line; all of it if there is none.
std::size_t header_octets(std::string_view header) noexcept;

/// If `name` is one of ENVELOPE's fields and not set yet, sets it to the unfolded `value` and
/// returns its octets, else 0.
std::size_t take_envelope_field(EnvelopeFields& envelope, std::string_view name,
                                std::string_view value);

/// The envelope fields of a header block (with or without its blank line). The first field of a
/// name counts.
EnvelopeFields read_envelope(std::string_view header);

/// "type/subtype; name=value" (Content-Type), or "value; name=value" with an empty subtype
/// (Disposition).
struct MimeValue {
  std::string type;     ///< lower case
  std::string subtype;  ///< lower case
  std::vector<MimeParameter> parameters;
};
/// nullopt if there is no type, or no subtype though `with_subtype`.
std::optional<MimeValue> parse_mime_value(std::string_view unfolded, bool with_subtype);

/// The first token in lower case (Content-Transfer-Encoding); empty if there is none.
std::string parse_token(std::string_view unfolded);
/// The comma-separated tokens (Content-Language), at most kMimeParametersMax.
std::vector<std::string> parse_tokens(std::string_view unfolded);

/// Equal but for the case of ASCII letters.
bool same_field_name(std::string_view left, std::string_view right) noexcept;

}  // namespace postern::store

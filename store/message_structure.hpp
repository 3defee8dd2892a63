// The structure of a message (RFC 2045, 2046, 5322): where its MIME parts and their headers begin
// and end, and what IMAP's ENVELOPE and BODYSTRUCTURE say of them. Values only; made by
// store/mime_parser.hpp. It depends on nothing but the message's octets, so it can be kept for as
// long as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"

namespace postern::store {

/// Parts nested in parts, the message itself included; a part deeper than this is opaque. Forwarded
/// chains in the field reach about ten levels, each of two parts.
inline constexpr std::size_t kMimeDepthMax = 64;
/// Parts of one message; what follows belongs to the last one. Big digests have some hundred.
inline constexpr std::size_t kMimePartsMax = 2048;
/// Octets of one header field that are looked at; the rest of it is ignored. A To: with 1,500
/// addresses.
inline constexpr std::size_t kMimeFieldOctetsMax = 64 * 1024;
/// Octets of field values kept for one message, all parts together; later fields count as absent.
inline constexpr std::size_t kMimeKeptOctetsMax = 512 * 1024;
/// Parameters of one Content-Type or Content-Disposition; later ones are ignored.
inline constexpr std::size_t kMimeParametersMax = 64;
/// Longest boundary. RFC 2046 says 70.
inline constexpr std::size_t kMimeBoundaryOctetsMax = 256;

/// attribute=value of a Content-Type or Content-Disposition.
struct MimeParameter {
  std::string name;   ///< lower case
  std::string value;  ///< unquoted, otherwise as it is (RFC 2231 forms are not decoded)
  friend bool operator==(const MimeParameter&, const MimeParameter&) = default;
};

/// The header fields of RFC 3501's ENVELOPE, unfolded, otherwise raw. nullopt: there is no such
/// field.
struct EnvelopeFields {
  std::optional<std::string> date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to,
      message_id;
  friend bool operator==(const EnvelopeFields&, const EnvelopeFields&) = default;
};

/// A part. Offsets count octets from the beginning of the whole message.
struct MimePart {
  static constexpr std::uint32_t kNone = UINT32_MAX;
  enum class Kind : std::uint8_t {
    leaf,       ///< a body without parts
    multipart,  ///< children are its parts, in order; there may be none
    message,    ///< message/rfc822: its one child is the root of the message inside
  };
  Kind kind = Kind::leaf;
  std::uint32_t parent = kNone;  ///< index of the part around it
  std::uint32_t first_child = kNone;
  std::uint32_t next_sibling = kNone;
  std::uint32_t envelope = kNone;  ///< index into envelopes: roots of messages have one
  std::uint64_t header_begin = 0;
  std::uint64_t body_begin = 0;  ///< the header ends here, its blank line included
  std::uint64_t body_end = 0;
  std::uint64_t lines = 0;  ///< of the body; an unfinished last one counts
  std::string type;         ///< lower case; never "multipart" or message/rfc822 for a leaf
  std::string subtype;      ///< lower case
  std::vector<MimeParameter> parameters;
  std::string encoding;  ///< lower case, "7bit" if absent
  std::optional<std::string> id, description, md5, location;
  std::optional<std::string> disposition;  ///< lower case
  std::vector<MimeParameter> disposition_parameters;
  std::vector<std::string> languages;
  friend bool operator==(const MimePart&, const MimePart&) = default;
};

/// A whole message. parts[0] is the message itself; a part comes after the part around it.
struct MessageStructure {
  std::vector<MimePart> parts;
  std::vector<EnvelopeFields> envelopes;
  std::uint64_t size_octets = 0;
  friend bool operator==(const MessageStructure&, const MessageStructure&) = default;
};

/// A compact form with a version, for the store to keep.
std::string serialise(const MessageStructure& structure);
/// The other way. corrupted: not that form, or not a structure that a parser could have made
/// (indices, offsets and limits are checked, so the result is safe to walk).
Result<MessageStructure> deserialise_structure(std::string_view octets);

}  // namespace postern::store

// The data items of FETCH (RFC 3501 6.4.5), parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "sidecars/imap/arguments.hpp"
#include "sidecars/imap/section.hpp"

namespace postern::imap {

/// How much of a message must be known before an item can be answered. Ordered.
enum class BodyNeed : std::uint8_t {
  none,       ///< the snapshot's entry says it all
  octets,     ///< octets at a known place
  header,     ///< where the header ends
  structure,  ///< the MIME structure: every octet is read once
};

struct FetchItem {
  enum class Kind : std::uint8_t {
    flags,
    uid,
    size,
    internal_date,
    envelope,
    body_structure,  ///< BODY and BODYSTRUCTURE
    section,         ///< BODY[...], RFC822, RFC822.HEADER, RFC822.TEXT
  };
  Kind kind = Kind::flags;
  BodyNeed need = BodyNeed::none;
  bool extended = false;  ///< BODYSTRUCTURE and not BODY
  Section section;
  std::optional<std::uint32_t> partial_octets;  ///< <offset.octets>
  std::uint32_t partial_offset = 0;
  bool sets_seen = false;
  std::string label;  ///< the item's name in a response
};

/// A whole item list.
struct FetchItems {
  std::vector<FetchItem> items;
  BodyNeed need = BodyNeed::none;  ///< the highest of all items
  bool sets_seen = false;
  bool wants_flags = false;
  bool wants_bodies = false;  ///< BODY[], BODY[TEXT] and their like
};

/// Reads ALL, FAST, FULL, one item, or a parenthesised list. `by_uid` adds UID if it is not named.
Result<FetchItems> parse_fetch_items(Arguments& arguments, bool by_uid);

}  // namespace postern::imap

// Whether a message matches a search program, as far as is known of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecars/imap/search_keys.hpp"
#include "store/types.hpp"

namespace postern::imap {

/// A message's header as SEARCH looks at it.
struct SearchHeader {
  /// Field names as they are, values with encoded words decoded and the case taken out.
  std::vector<std::pair<std::string, std::string>> fields;
  std::optional<std::int64_t> sent_day;  ///< of the Date field; days since 1970
};
/// Reads a header block.
SearchHeader read_search_header(std::string_view header);

/// The day a Date field names in its own time zone (RFC 3501 6.4.4: time and zone are disregarded).
std::optional<std::int64_t> parse_sent_day(std::string_view date);

/// What is known of one message.
struct SearchSubject {
  const store::MessageEntry* entry = nullptr;
  std::size_t index = 0;
  const std::vector<std::string>* keywords = nullptr;  ///< of the mailbox
  const SearchHeader* header = nullptr;                ///< nullptr: not read
  const std::vector<bool>* found_in_body = nullptr;    ///< by needle; nullptr: not read
};

enum class Verdict : std::uint8_t {
  no,
  yes,
  unknown,  ///< depends on something that was not read
};
Verdict match(const SearchProgram& program, const SearchSubject& subject);

}  // namespace postern::imap

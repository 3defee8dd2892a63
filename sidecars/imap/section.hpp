// Body sections of FETCH (RFC 3501 6.4.5): what stands between the brackets, and which octets of a
// message it means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "sidecars/imap/arguments.hpp"
#include "store/message_structure.hpp"

namespace postern::imap {

/// "1.2.HEADER.FIELDS (DATE FROM)" and so on.
struct Section {
  enum class What : std::uint8_t {
    whole,              ///< nothing, or part numbers alone
    header,             ///< HEADER
    header_fields,      ///< HEADER.FIELDS
    header_fields_not,  ///< HEADER.FIELDS.NOT
    text,               ///< TEXT
    mime,               ///< MIME
  };
  std::vector<std::uint32_t> path;  ///< part numbers
  What what = What::whole;
  std::vector<std::string> fields;

  bool filters() const noexcept {
    return what == What::header_fields || what == What::header_fields_not;
  }
};

/// Reads a section and its closing bracket; the opening one is consumed already. At most
/// kSectionDepthMax numbers; `names_left` is what may still be used of kHeaderFieldNamesMax and is
/// lowered.
Result<Section> parse_section(Arguments& arguments, std::size_t& names_left);

/// The section as a response names it, without brackets.
std::string section_label(const Section& section);

/// Octets of a message, [begin, end).
struct OctetRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t size() const noexcept { return end - begin; }
};

/// Where a section without part numbers is, given where the message's header ends.
OctetRange locate_top_level(const Section& section, std::uint64_t header_end,
                            std::uint64_t message_octets) noexcept;

/// Where any section is; nullopt: the message has no such part. For HEADER.FIELDS the whole header.
std::optional<OctetRange> locate(const Section& section, const store::MessageStructure& structure);

/// Appends the fields of `header` that the section (one that filters()) asks for, and the blank
/// line.
void append_filtered_header(std::string& out, std::string_view header, const Section& section);

}  // namespace postern::imap

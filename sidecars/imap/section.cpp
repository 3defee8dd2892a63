#include "sidecars/imap/section.hpp"

#include <algorithm>

#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/response.hpp"
#include "store/mime_header.hpp"

namespace postern::imap {
namespace {

std::unexpected<Error> malformed(const char* text) {
  return fail(ErrorCode::invalid_argument, text);
}

/// RFC 5322 3.6.8: printable US-ASCII but the colon.
bool is_field_name(std::string_view name) noexcept {
  return !name.empty() && std::ranges::all_of(name, [](char octet) {
    return octet > 0x20 && octet < 0x7f && octet != ':';
  });
}

Result<void> parse_field_names(Arguments& arguments, Section& section, std::size_t& names_left) {
  if (auto space = arguments.space(); !space) return space;
  if (!arguments.take('(')) return malformed("A list of header field names was expected");
  while (true) {
    auto name = arguments.astring();
    if (!name || !is_field_name(*name)) return malformed("A header field name is not valid");
    if (names_left == 0) return malformed("There are too many header field names");
    --names_left;
    section.fields.push_back(std::move(*name));
    if (arguments.take(')')) return {};
    if (auto space = arguments.space(); !space) return space;
  }
}

/// The part with the numbers of `path`; kNone if there is none.
std::uint32_t find_part(const std::vector<std::uint32_t>& path,
                        const store::MessageStructure& structure) {
  using store::MimePart;
  const std::vector<MimePart>& parts = structure.parts;
  std::uint32_t place = 0;
  bool at_message_root = true;  // `place` is what a number counts within, or itself part 1
  for (const std::uint32_t number : path) {
    if (!at_message_root && parts[place].kind == MimePart::Kind::message) {
      place = parts[place].first_child;
      at_message_root = true;
    }
    if (parts[place].kind == MimePart::Kind::multipart) {
      std::uint32_t child = parts[place].first_child;
      for (std::uint32_t skip = 1; skip < number && child != MimePart::kNone; ++skip) {
        child = parts[child].next_sibling;
      }
      if (child == MimePart::kNone) return MimePart::kNone;
      place = child;
    } else if (!at_message_root || number != 1) {
      return MimePart::kNone;
    }
    at_message_root = false;
  }
  return place;
}

}  // namespace

Result<Section> parse_section(Arguments& arguments, std::size_t& names_left) {
  Section section;
  if (arguments.take(']')) return section;
  while (arguments.peek() >= '0' && arguments.peek() <= '9') {
    const auto number = arguments.number();
    if (!number || *number == 0) return malformed("A part number is not valid");
    if (section.path.size() == kSectionDepthMax)
      return malformed("There are too many part numbers");
    section.path.push_back(*number);
    if (arguments.take(']')) return section;
    if (!arguments.take('.')) return malformed("The section is not valid");
  }
  using What = Section::What;
  if (arguments.take_word("HEADER.FIELDS.NOT")) {
    section.what = What::header_fields_not;
  } else if (arguments.take_word("HEADER.FIELDS")) {
    section.what = What::header_fields;
  } else if (arguments.take_word("HEADER")) {
    section.what = What::header;
  } else if (arguments.take_word("TEXT")) {
    section.what = What::text;
  } else if (!section.path.empty() && arguments.take_word("MIME")) {
    section.what = What::mime;
  } else {
    return malformed("The section is not valid");
  }
  if (section.filters()) {
    if (auto names = parse_field_names(arguments, section, names_left); !names) {
      return std::unexpected(names.error());
    }
  }
  if (!arguments.take(']')) return malformed("The section has no end");
  return section;
}

std::string section_label(const Section& section) {
  std::string label;
  for (const std::uint32_t number : section.path) {
    if (!label.empty()) label.push_back('.');
    append_number(label, number);
  }
  if (section.what == Section::What::whole) return label;
  if (!label.empty()) label.push_back('.');
  switch (section.what) {
    case Section::What::whole:
      break;
    case Section::What::header:
      label.append("HEADER");
      break;
    case Section::What::header_fields:
      label.append("HEADER.FIELDS");
      break;
    case Section::What::header_fields_not:
      label.append("HEADER.FIELDS.NOT");
      break;
    case Section::What::text:
      label.append("TEXT");
      break;
    case Section::What::mime:
      label.append("MIME");
      break;
  }
  if (!section.filters()) return label;
  const auto is_atom = [](std::string_view name) {
    return name.find_first_of("(){%*\"\\]") == std::string_view::npos;
  };
  char before = '(';
  label.push_back(' ');
  for (const std::string& name : section.fields) {
    label.push_back(before);
    if (is_atom(name)) {
      label.append(name);
    } else {
      append_string(label, name);
    }
    before = ' ';
  }
  label.push_back(')');
  return label;
}

OctetRange locate_top_level(const Section& section, std::uint64_t header_end,
                            std::uint64_t message_octets) noexcept {
  switch (section.what) {
    case Section::What::header:
    case Section::What::header_fields:
    case Section::What::header_fields_not:
    case Section::What::mime:
      return {0, header_end};
    case Section::What::text:
      return {header_end, message_octets};
    case Section::What::whole:
      break;
  }
  return {0, message_octets};
}

std::optional<OctetRange> locate(const Section& section, const store::MessageStructure& structure) {
  using store::MimePart;
  if (section.path.empty()) {
    return locate_top_level(section, structure.parts[0].body_begin, structure.size_octets);
  }
  const std::uint32_t index = find_part(section.path, structure);
  if (index == MimePart::kNone) return std::nullopt;
  const MimePart& part = structure.parts[index];
  if (section.what == Section::What::whole) return OctetRange{part.body_begin, part.body_end};
  if (section.what == Section::What::mime) return OctetRange{part.header_begin, part.body_begin};
  // HEADER and TEXT of a part are those of the message it carries.
  if (part.kind != MimePart::Kind::message) return std::nullopt;
  const MimePart& inside = structure.parts[part.first_child];
  if (section.what == Section::What::text) return OctetRange{inside.body_begin, inside.body_end};
  return OctetRange{inside.header_begin, inside.body_begin};
}

void append_filtered_header(std::string& out, std::string_view header, const Section& section) {
  const bool wanted = section.what == Section::What::header_fields;
  while (const auto field = store::take_field(header)) {
    const bool named = std::ranges::any_of(section.fields, [&](const std::string& name) {
      return store::same_field_name(name, field->name);
    });
    if (named == wanted) out.append(field->whole);
  }
  out.append(header);  // the blank line, if there is one
}

}  // namespace postern::imap

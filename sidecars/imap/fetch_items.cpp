#include "sidecars/imap/fetch_items.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "sidecars/imap/limits.hpp"

namespace postern::imap {
namespace {

using Kind = FetchItem::Kind;

std::unexpected<Error> malformed(const char* text) {
  return fail(ErrorCode::invalid_argument, text);
}

FetchItem simple(Kind kind, std::string_view label, BodyNeed need = BodyNeed::none) {
  FetchItem item;
  item.kind = kind;
  item.need = need;
  item.label = label;
  return item;
}

FetchItem rfc822(std::string_view label, Section::What what, bool sets_seen) {
  FetchItem item = simple(Kind::section, label);
  item.section.what = what;
  item.need = what == Section::What::whole ? BodyNeed::octets : BodyNeed::header;
  item.sets_seen = sets_seen;
  return item;
}

/// BODY or BODY.PEEK with the bracket consumed.
Result<FetchItem> parse_body_section(Arguments& arguments, bool peek, std::size_t& names_left) {
  auto section = parse_section(arguments, names_left);
  if (!section) return std::unexpected(section.error());
  FetchItem item = simple(Kind::section, "BODY[" + section_label(*section) + "]");
  if (arguments.take('<')) {
    const auto offset = arguments.number();
    if (!offset) return std::unexpected(offset.error());
    if (!arguments.take('.')) return malformed("A partial range is not valid");
    const auto octets = arguments.number();
    if (!octets) return std::unexpected(octets.error());
    if (*octets == 0 || !arguments.take('>')) return malformed("A partial range is not valid");
    item.partial_offset = *offset;
    item.partial_octets = *octets;
    item.label += "<" + std::to_string(*offset) + ">";
  }
  item.sets_seen = !peek;
  if (!section->path.empty()) {
    item.need = BodyNeed::structure;
  } else {
    item.need = section->what == Section::What::whole ? BodyNeed::octets : BodyNeed::header;
  }
  item.section = std::move(*section);
  return item;
}

Result<FetchItem> parse_item(Arguments& arguments, std::size_t& names_left) {
  const auto token = arguments.item_name();
  if (!token) return std::unexpected(token.error());
  const std::string name = upper(*token);
  if (name == "FLAGS") return simple(Kind::flags, name);
  if (name == "UID") return simple(Kind::uid, name);
  if (name == "RFC822.SIZE") return simple(Kind::size, name);
  if (name == "INTERNALDATE") return simple(Kind::internal_date, name);
  if (name == "ENVELOPE") return simple(Kind::envelope, name, BodyNeed::header);
  if (name == "RFC822") return rfc822(name, Section::What::whole, true);
  if (name == "RFC822.HEADER") return rfc822(name, Section::What::header, false);
  if (name == "RFC822.TEXT") return rfc822(name, Section::What::text, true);
  if (name == "BODY" || name == "BODY.PEEK") {
    if (arguments.take('[')) return parse_body_section(arguments, name != "BODY", names_left);
  }
  if (name == "BODY" || name == "BODYSTRUCTURE") {
    FetchItem item = simple(Kind::body_structure, name, BodyNeed::structure);
    item.extended = name == "BODYSTRUCTURE";
    return item;
  }
  return malformed("A data item is unknown");
}

/// The items of a macro, from the shortest on; empty if `arguments` holds none.
std::vector<FetchItem> take_macro(Arguments& arguments) {
  const Arguments before = arguments;
  const auto name = arguments.item_name();
  std::size_t count = 0;
  if (name && equals_ignoring_case(*name, "FAST")) count = 3;
  if (name && equals_ignoring_case(*name, "ALL")) count = 4;
  if (name && equals_ignoring_case(*name, "FULL")) count = 5;
  if (count == 0) {
    arguments = before;
    return {};
  }
  std::vector<FetchItem> items = {
      simple(Kind::flags, "FLAGS"), simple(Kind::internal_date, "INTERNALDATE"),
      simple(Kind::size, "RFC822.SIZE"), simple(Kind::envelope, "ENVELOPE", BodyNeed::header),
      simple(Kind::body_structure, "BODY", BodyNeed::structure)};
  items.resize(count);
  return items;
}

Result<std::vector<FetchItem>> parse_list(Arguments& arguments) {
  std::vector<FetchItem> items = take_macro(arguments);
  if (!items.empty()) return items;
  std::size_t names_left = kHeaderFieldNamesMax;
  const bool parenthesised = arguments.take('(');
  while (true) {
    auto item = parse_item(arguments, names_left);
    if (!item) return std::unexpected(item.error());
    if (items.size() == kFetchItemsMax) return malformed("There are too many data items");
    items.push_back(std::move(*item));
    if (!parenthesised || arguments.take(')')) return items;
    if (auto space = arguments.space(); !space) return std::unexpected(space.error());
  }
}

}  // namespace

Result<FetchItems> parse_fetch_items(Arguments& arguments, bool by_uid) {
  auto list = parse_list(arguments);
  if (!list) return std::unexpected(list.error());
  FetchItems result;
  result.items = std::move(*list);
  const auto has = [&](Kind kind) {
    return std::ranges::any_of(result.items, [&](const auto& item) { return item.kind == kind; });
  };
  if (by_uid && !has(Kind::uid)) {
    result.items.insert(result.items.begin(), simple(Kind::uid, "UID"));
  }
  result.wants_flags = has(Kind::flags);
  for (const FetchItem& item : result.items) {
    result.need = std::max(result.need, item.need);
    result.sets_seen |= item.sets_seen;
    result.wants_bodies |=
        item.kind == Kind::section &&
        (item.section.what == Section::What::whole || item.section.what == Section::What::text);
  }
  return result;
}

}  // namespace postern::imap

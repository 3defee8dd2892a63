#include "sidecars/imap/message_fetch.hpp"

#include <algorithm>
#include <utility>

#include "runtime/assert.hpp"
#include "sidecars/imap/flags.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/response.hpp"
#include "sidecars/imap/structure_response.hpp"

namespace postern::imap {
namespace {

using Kind = FetchItem::Kind;

/// The part of a section's octets that <offset.octets> leaves.
OctetRange partial(const FetchItem& item, OctetRange range) {
  if (!item.partial_octets) return range;
  const std::uint64_t begin =
      range.begin + std::min<std::uint64_t>(item.partial_offset, range.size());
  return {begin, begin + std::min<std::uint64_t>(*item.partial_octets, range.end - begin)};
}

}  // namespace

FirstRead MessageFetch::first_read(const store::MessageEntry& entry, const Context& context) const {
  const std::uint64_t size = entry.size_octets;
  const auto structure =
      items_.need == BodyNeed::structure ? context.structures.find(entry.body) : nullptr;
  if (items_.need == BodyNeed::none) return {};
  if (items_.need == BodyNeed::structure && structure == nullptr) {
    return {0, std::min(size, sidecars::kReadBatchOctets)};
  }
  if (items_.need == BodyNeed::header) {
    return {0,
            std::min(size, items_.wants_bodies ? sidecars::kReadBatchOctets : kHeaderReadOctets)};
  }
  // It is known where everything is: begin with the first item that needs octets.
  for (const FetchItem& item : items_.items) {
    if (item.kind == Kind::envelope) return {0, std::min(size, kHeaderReadOctets)};
    if (item.kind != Kind::section) continue;
    const auto range = structure != nullptr ? locate(item.section, *structure)
                                            : std::optional<OctetRange>(OctetRange{0, size});
    if (!range) continue;
    const OctetRange wanted = item.section.filters() ? *range : partial(item, *range);
    if (wanted.size() > 0) {
      return {wanted.begin, std::min(wanted.size(), sidecars::kReadBatchOctets)};
    }
  }
  return {};
}

void MessageFetch::begin(std::size_t index, const store::MessageEntry& entry, bool now_seen,
                         std::uint64_t window_offset, std::string window) {
  index_ = index;
  entry_ = entry;
  now_seen_ = now_seen;
  if (now_seen) entry_.flags.set(store::Flag::seen);
  stage_ = items_.need >= BodyNeed::header ? Stage::analysis : Stage::next_item;
  item_ = 0;
  first_ = true;
  window_.begin(entry.body, window_offset, std::move(window));
  if (stage_ != Stage::analysis) return;
  scanned_ = 0;
  header_end_ = 0;
  header_finder_ = {};
  scan_.begin(entry.body, entry.size_octets);
}

MessageFetch::Outcome MessageFetch::run(Context& context) {
  while (true) {
    switch (stage_) {
      case Stage::analysis:
        if (!analyse(context)) {
          const bool hope = window_.want(scanned_, sidecars::kReadBatchOctets);
          return hope ? Outcome::read : Outcome::gone;
        }
        stage_ = Stage::next_item;
        break;
      case Stage::next_item:
        next_item(context);
        break;
      case Stage::gather:
        if (gather()) {
          write_gathered(context);
        } else {
          if (window_.want(range_.begin, range_.size())) return Outcome::read;
          write_nil(context);
        }
        break;
      case Stage::announce:
        if (!announce(context)) {
          if (window_.want(range_.begin, range_.size())) return Outcome::read;
          write_nil(context);
        }
        break;
      case Stage::stream: {
        const Outcome outcome = stream(context);
        if (outcome != Outcome::done) return outcome;
        break;
      }
      case Stage::end:
        write_end(context);
        return Outcome::done;
    }
  }
}

// ---- what is in the message
// --------------------------------------------------------------------------

bool MessageFetch::analyse(Context& context) {
  if (items_.need == BodyNeed::structure) {
    if (!scan_.run(window_, context.structures)) {
      scanned_ = scan_.next();
      return false;
    }
    header_end_ = structure().parts[0].body_begin;
    return true;
  }
  const std::uint64_t most = std::min(entry_.size_octets, kHeaderOctetsMax);
  while (scanned_ < most) {
    const std::string_view piece = window_.at(scanned_).substr(0, most - scanned_);
    if (piece.empty()) return false;
    if (header_finder_.feed(piece)) break;
    scanned_ += piece.size();
  }
  header_end_ = header_finder_.end();
  return true;
}

// ---- the response
// ------------------------------------------------------------------------------------

void MessageFetch::write_label(Context& context) {
  std::string& out = context.out();
  if (first_) {
    first_ = false;
    context.inside_response = true;
    out.append("* ");
    append_number(out, index_ + 1);
    out.append(" FETCH (");
  } else {
    out.push_back(' ');
  }
  out.append(item().label).push_back(' ');
}

void MessageFetch::next_item(Context& context) {
  if (item_ == items_.items.size()) {
    stage_ = Stage::end;
    return;
  }
  std::string& out = context.out();
  switch (item().kind) {
    case Kind::section:
      begin_section(item(), context);
      return;
    case Kind::envelope:
      range_ = {0, header_end_};
      gathered_.clear();
      stage_ = Stage::gather;
      return;
    case Kind::flags:
      write_label(context);
      append_flags(out, entry_.flags, context.selected->reported->head().keywords);
      break;
    case Kind::uid:
      write_label(context);
      append_number(out, entry_.uid);
      break;
    case Kind::size:
      write_label(context);
      append_number(out, entry_.size_octets);
      break;
    case Kind::internal_date:
      write_label(context);
      append_internal_date(out, entry_.internal_date_ms);
      break;
    case Kind::body_structure:
      write_label(context);
      append_body_structure(out, structure(), item().extended);
      break;
  }
  ++item_;
}

void MessageFetch::begin_section(const FetchItem& item, Context& context) {
  std::optional<OctetRange> range;
  if (item.section.path.empty()) {
    range = locate_top_level(item.section, header_end_, entry_.size_octets);
  } else {
    range = locate(item.section, structure());
  }
  if (!range) {
    write_nil(context);
    return;
  }
  range_ = *range;
  if (item.section.filters()) {
    gathered_.clear();
    stage_ = Stage::gather;
  } else {
    range_ = partial(item, range_);
    stage_ = Stage::announce;
  }
}

bool MessageFetch::gather() {
  const std::uint64_t most =
      kHeaderOctetsMax - std::min<std::uint64_t>(kHeaderOctetsMax, gathered_.size());
  const std::uint64_t end = range_.begin + std::min(range_.size(), most);
  while (range_.begin < end) {
    const std::string_view piece = window_.at(range_.begin).substr(0, end - range_.begin);
    if (piece.empty()) return false;
    gathered_.append(piece);
    range_.begin += piece.size();
  }
  return true;
}

void MessageFetch::write_gathered(Context& context) {
  std::string& out = context.out();
  if (item().kind == Kind::envelope) {
    write_label(context);
    append_envelope(out, store::read_envelope(gathered_));
  } else {
    std::string filtered;
    append_filtered_header(filtered, gathered_, item().section);
    const OctetRange range = partial(item(), {0, filtered.size()});
    write_label(context);
    append_literal_head(out, range.size());
    out.append(filtered, range.begin, range.size());
  }
  ++item_;
  stage_ = Stage::next_item;
}

void MessageFetch::write_nil(Context& context) {
  write_label(context);
  // RFC 2180 4.1.3; an envelope has no NIL form but one of NILs.
  context.out().append(item().kind == Kind::envelope ? "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
                                                     : "NIL");
  ++item_;
  stage_ = Stage::next_item;
}

bool MessageFetch::announce(Context& context) {
  // The size is announced only when the first octets are there: until then a failure can still be
  // told.
  if (range_.size() > 0 && window_.at(range_.begin).empty()) return false;
  write_label(context);
  append_literal_head(context.out(), range_.size());
  stage_ = Stage::stream;
  return true;
}

MessageFetch::Outcome MessageFetch::stream(Context& context) {
  while (range_.begin < range_.end) {
    const std::string_view piece = window_.at(range_.begin).substr(0, range_.size());
    // Asked for before there is room: the next window comes while this one is sent.
    if (piece.empty())
      return window_.want(range_.begin, range_.size()) ? Outcome::read : Outcome::broken;
    if (context.full()) return Outcome::room;
    const std::string_view fits = piece.substr(0, kOutputHighOctets - context.out().size());
    context.out().append(fits);
    range_.begin += fits.size();
  }
  ++item_;
  stage_ = Stage::next_item;
  return Outcome::done;
}

void MessageFetch::write_end(Context& context) {
  std::string& out = context.out();
  if (now_seen_ && !items_.wants_flags) {
    out.append(" FLAGS ");
    append_flags(out, entry_.flags, context.selected->reported->head().keywords);
  }
  out.append(")\r\n");
  context.inside_response = false;
}

}  // namespace postern::imap

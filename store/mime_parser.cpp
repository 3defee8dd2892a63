#include "store/mime_parser.hpp"

#include <algorithm>
#include <utility>

#include "store/mime_header.hpp"

namespace postern::store {
namespace {

/// A line that is longer than this is no boundary: both dashes, the boundary, and blanks behind it.
constexpr std::size_t kBoundaryLineOctetsMax = 2 + kMimeBoundaryOctetsMax + 2 + 64;

std::string_view without_line_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

MimeParser::MimeParser() { begin_part(MimePart::kNone, 0, true); }

void MimeParser::begin_part(std::uint32_t parent, std::uint64_t offset, bool is_message_root) {
  const auto self = static_cast<std::uint32_t>(structure_.parts.size());
  MimePart part;
  part.parent = parent;
  part.header_begin = part.body_begin = part.body_end = offset;
  if (is_message_root) {
    part.envelope = static_cast<std::uint32_t>(structure_.envelopes.size());
    structure_.envelopes.emplace_back();
  }
  if (parent != MimePart::kNone) {
    std::uint32_t* link = &structure_.parts[parent].first_child;
    // Parts of one multipart come one after the other: its last child is the newest part at that
    // level.
    if (*link != MimePart::kNone) {
      std::uint32_t last = self - 1;
      while (structure_.parts[last].parent != parent) last = structure_.parts[last].parent;
      link = &structure_.parts[last].next_sibling;
    }
    *link = self;
  }
  structure_.parts.push_back(std::move(part));
  open_.push_back({.part = self, .boundary = {}, .lines_before = line_ends_});
  mode_ = Mode::header;
  seen_.clear();
  content_type_.clear();
  has_content_type_ = false;
  field_.clear();
}

void MimeParser::feed(std::string_view octets) {
  while (!octets.empty()) {
    if (mode_ == Mode::body && boundaries_ == 0) {
      octets.remove_prefix(feed_body_without_boundary(octets));
      continue;
    }
    const std::size_t newline = octets.find('\n');
    const bool complete = newline != std::string_view::npos;
    const std::string_view piece = octets.substr(0, complete ? newline + 1 : octets.size());
    if (mode_ == Mode::body && offset_ == line_begin_) line_matters_ = piece.front() == '-';
    if (line_matters_) {
      const std::size_t most =
          mode_ == Mode::header ? kMimeFieldOctetsMax : kBoundaryLineOctetsMax + 2;
      // Of an overlong line the line end is not kept: it is then no boundary, and as a field cut
      // off.
      line_.append(piece.substr(0, most - std::min(most, line_.size())));
    }
    offset_ += piece.size();
    octets.remove_prefix(piece.size());
    if (complete) {
      const char before = piece.size() > 1 ? piece[piece.size() - 2] : last_octet_;
      const std::uint64_t length = offset_ - line_begin_;
      const std::size_t line_end = before == '\r' && length > 1 ? 2 : 1;
      ++line_ends_;
      end_line();
      previous_line_end_ = line_end;
      previous_line_empty_ = length == line_end;
      line_begin_ = offset_;
      line_.clear();
      line_matters_ = true;
    }
    last_octet_ = piece.back();
  }
}

std::size_t MimeParser::feed_body_without_boundary(std::string_view octets) {
  // Nothing can end this part but the end of the message: only its lines are counted.
  const auto line_ends = std::ranges::count(octets, '\n');
  line_ends_ += static_cast<std::uint64_t>(line_ends);
  offset_ += octets.size();
  last_octet_ = octets.back();
  if (line_ends > 0) line_begin_ = offset_ - (octets.size() - octets.rfind('\n') - 1);
  return octets.size();
}

void MimeParser::end_line() {
  if (boundaries_ > 0 && line_.starts_with("--") && boundary_line()) return;
  if (mode_ == Mode::header) header_line(line_);
}

void MimeParser::header_line(std::string_view line) {
  const std::string_view text = without_line_end(line);
  if (text.empty()) {
    end_header(offset_);
    return;
  }
  const bool continues = line.front() == ' ' || line.front() == '\t';
  if (!continues) flush_field();
  if (field_.size() < kMimeFieldOctetsMax) {
    field_.append(line.substr(0, kMimeFieldOctetsMax - field_.size()));
  }
}

bool MimeParser::boundary_line() {
  std::string_view text = without_line_end(line_);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  if (text.size() > kBoundaryLineOctetsMax) return false;
  text.remove_prefix(2);
  // From the inside out: a part that forgot its closing boundary ends at the one around it.
  for (std::size_t level = open_.size(); level-- > 0;) {
    const std::string& boundary = open_[level].boundary;
    if (boundary.empty() || !text.starts_with(boundary)) continue;
    const std::string_view rest = text.substr(boundary.size());
    const bool closes = rest == "--";
    if (!closes && !rest.empty()) continue;
    if (!closes && structure_.parts.size() >= kMimePartsMax) return false;
    while (mode_ == Mode::header) end_header(line_begin_);  // a message in it has one too
    // The line end before a boundary belongs to the boundary (RFC 2046 5.1.1).
    end_parts(level + 1, line_begin_ - previous_line_end_, line_ends_ - 1, false);
    if (closes) {
      open_[level].boundary.clear();
      --boundaries_;
      mode_ = Mode::body;
    } else {
      begin_part(open_[level].part, offset_, false);
    }
    return true;
  }
  return false;
}

void MimeParser::end_parts(std::size_t keep, std::uint64_t end, std::uint64_t line_ends,
                           bool partial_line) {
  while (open_.size() > keep) {
    const Open& open = open_.back();
    MimePart& part = structure_.parts[open.part];
    // A part around an empty one ends no earlier than that one begins.
    part.body_end = end = std::max(part.body_begin, end);
    std::uint64_t lines = line_ends - open.lines_before;
    if (part.body_end == part.body_begin) {
      lines = 0;
    } else if (end != offset_ && lines > 0) {
      // Before a boundary: the last line end is not the part's, but the line before it is, unless
      // empty.
      lines -= previous_line_empty_ ? 1 : 0;
    }
    part.lines = lines + (partial_line && part.body_end > part.body_begin ? 1 : 0);
    if (!open.boundary.empty()) --boundaries_;
    open_.pop_back();
  }
}

void MimeParser::flush_field() {
  std::string_view rest = field_;
  const auto field = take_field(rest);
  if (field && !field->name.empty() && kept_octets_ < kMimeKeptOctetsMax) {
    const MimePart& part = current();
    if (part.envelope != MimePart::kNone) {
      kept_octets_ +=
          take_envelope_field(structure_.envelopes[part.envelope], field->name, field->value);
    }
    constexpr std::string_view kContent = "content-";
    if (same_field_name(field->name.substr(0, kContent.size()), kContent)) {
      take_content_field(field->name.substr(kContent.size()), unfold(field->value));
    }
  }
  field_.clear();
}

void MimeParser::take_content_field(std::string_view name, std::string value) {
  MimePart& part = current();
  // The first field of a name counts, also when it is empty.
  for (const std::string& seen : seen_) {
    if (same_field_name(seen, name)) return;
  }
  const auto is = [&](std::string_view known) {
    if (!same_field_name(name, known)) return false;
    seen_.emplace_back(known);
    kept_octets_ += value.size();
    return true;
  };
  if (is("type")) {
    has_content_type_ = true;
    content_type_ = std::move(value);
  } else if (is("transfer-encoding")) {
    part.encoding = parse_token(value);
  } else if (is("disposition")) {
    if (auto parsed = parse_mime_value(value, false)) {
      part.disposition = std::move(parsed->type);
      part.disposition_parameters = std::move(parsed->parameters);
    }
  } else if (is("id")) {
    part.id = std::move(value);
  } else if (is("description")) {
    part.description = std::move(value);
  } else if (is("md5")) {
    part.md5 = std::move(value);
  } else if (is("location")) {
    part.location = std::move(value);
  } else if (is("language")) {
    part.languages = parse_tokens(value);
  }
}

void MimeParser::end_header(std::uint64_t body_begin) {
  flush_field();
  MimePart& part = current();
  part.body_begin = part.body_end = body_begin;
  // A header that a boundary ends has no line of its own after it.
  open_.back().lines_before = body_begin == offset_ ? line_ends_ : line_ends_ - 1;
  if (part.encoding.empty()) part.encoding = "7bit";
  mode_ = Mode::body;
  decide_kind();
}

void MimeParser::decide_kind() {
  MimePart& part = current();
  const bool in_digest = open_.size() > 1 && open_[open_.size() - 2].digest;
  std::optional<MimeValue> type;
  if (has_content_type_) type = parse_mime_value(content_type_, true);
  if (type) {
    part.type = std::move(type->type);
    part.subtype = std::move(type->subtype);
    part.parameters = std::move(type->parameters);
  } else if (in_digest) {
    part.type = "message";
    part.subtype = "rfc822";
  } else {
    part.type = "text";
    part.subtype = "plain";
    part.parameters = {{"charset", "us-ascii"}};
  }
  // A child needs a level and a place in the list.
  const bool has_room = open_.size() < kMimeDepthMax && structure_.parts.size() < kMimePartsMax;
  if (part.type == "multipart") {
    const auto boundary = std::ranges::find(part.parameters, "boundary", &MimeParameter::name);
    const bool usable = boundary != part.parameters.end() && !boundary->value.empty() &&
                        boundary->value.size() <= kMimeBoundaryOctetsMax;
    if (usable && has_room) {
      part.kind = MimePart::Kind::multipart;
      open_.back().boundary = boundary->value;
      // Blanks at its end cannot be told from blanks behind it.
      while (open_.back().boundary.ends_with(' ')) open_.back().boundary.pop_back();
      open_.back().digest = part.subtype == "digest";
      if (!open_.back().boundary.empty()) ++boundaries_;
    } else {
      part.type = usable ? "application" : "text";
      part.subtype = usable ? "octet-stream" : "plain";
      part.parameters.clear();
    }
  } else if (part.type == "message" && part.subtype == "rfc822") {
    const bool plain =
        part.encoding == "7bit" || part.encoding == "8bit" || part.encoding == "binary";
    if (plain && has_room) {
      part.kind = MimePart::Kind::message;
      begin_part(open_.back().part, part.body_begin, true);
    } else {
      part.type = "application";
      part.subtype = "octet-stream";
    }
  }
}

MessageStructure MimeParser::finish() {
  const bool partial_line = offset_ > line_begin_;
  bool is_boundary = false;
  if (partial_line && boundaries_ > 0 && line_.starts_with("--")) {
    // A boundary as the last thing, without a line end: taken as if it had one.
    ++line_ends_;
    is_boundary = boundary_line();
    --line_ends_;
  }
  if (!is_boundary && mode_ == Mode::header && partial_line) header_line(line_);
  while (mode_ == Mode::header) end_header(offset_);
  end_parts(0, offset_, line_ends_, partial_line);
  structure_.size_octets = offset_;
  return std::move(structure_);
}

}  // namespace postern::store

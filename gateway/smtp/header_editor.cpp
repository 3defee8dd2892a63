#include "gateway/smtp/header_editor.hpp"

#include <algorithm>
#include <cstring>

#include "gateway/smtp/syntax/text.hpp"
#include "gateway/smtp/trace.hpp"

namespace postern::smtp {

namespace {

using text::equal_folded;

constexpr bool is_name_octet(char c) noexcept { return c > ' ' && c != ':' && c != 0x7f; }

}  // namespace

void HeaderEditor::start(const HeaderEdits& edits) {
  edits_ = edits;
  state_ = State::line_start;
  last_dropped_ = false;
  has_date_ = false;
  has_message_id_ = false;
  held_.clear();
}

std::size_t HeaderEditor::feed(std::string_view octets, store::MessageBody& body) {
  std::size_t taken = 0;
  while (taken < octets.size() && state_ != State::done) {
    const std::string_view rest = octets.substr(taken);
    if (state_ == State::line_start) {
      taken += take_start(rest, body);
      continue;
    }
    const auto* const lf = static_cast<const char*>(std::memchr(rest.data(), '\n', rest.size()));
    const std::size_t length =
        lf == nullptr ? rest.size() : static_cast<std::size_t>(lf - rest.data()) + 1;
    if (state_ == State::field) body.append(rest.substr(0, length));
    if (lf != nullptr) state_ = State::line_start;
    taken += length;
  }
  return taken;
}

// Octets at the start of a line, until it shows what the line is.
std::size_t HeaderEditor::take_start(std::string_view octets, store::MessageBody& body) {
  std::size_t at = 0;
  for (; at < octets.size(); ++at) {
    const char c = octets[at];
    const bool white = c == ' ' || c == '\t';
    if (held_.empty() && white) {  // a continuation
      state_ = last_dropped_ ? State::dropped : State::field;
      return at;
    }
    if (held_ == "\r") {
      // Behind a CR that is not part of CRLF there is no field (it was let through by "allow").
      end_header(c == '\n', body);
      return at;
    }
    if (held_.empty() && c == '\n') {
      end_header(true, body);
      return at;
    }
    if (c == ':' && !held_.empty()) {
      begin_field(std::string_view(held_).substr(0, held_.find_first_of(" \t")), body);
      return at;
    }
    // White space may stand between a name and its colon (RFC 5322 4.5), nothing else.
    const bool behind_name = !held_.empty() && (held_.back() == ' ' || held_.back() == '\t');
    const bool fits = white || (is_name_octet(c) && !behind_name) || (c == '\r' && held_.empty());
    if (!fits || held_.size() == kNameOctetsMax) {
      end_header(false, body);
      return at;
    }
    held_.push_back(c);
  }
  return at;
}

// The line is a field: its colon comes next.
void HeaderEditor::begin_field(std::string_view name, store::MessageBody& body) {
  has_date_ |= equal_folded(name, "Date");
  has_message_id_ |= equal_folded(name, "Message-ID");
  last_dropped_ =
      edits_.remove_bcc && (equal_folded(name, "Bcc") || equal_folded(name, "Resent-Bcc"));
  state_ = last_dropped_ ? State::dropped : State::field;
  if (!last_dropped_) body.append(held_);
  held_.clear();
}

// The empty line comes next (its CR may be held), or the line is none of the header.
void HeaderEditor::end_header(bool empty_line, store::MessageBody& body) {
  std::string added;
  if (edits_.add_missing && !has_date_) {
    added.append("Date: ");
    append_date(added, edits_.unix_ms);
    added.append("\r\n");
  }
  if (edits_.add_missing && !has_message_id_) {
    added.append("Message-ID: <").append(edits_.id).append("@").append(edits_.hostname);
    added.append(">\r\n");
  }
  if (!added.empty() && !empty_line) added.append("\r\n");
  if (!added.empty()) body.append(added);
  body.append(held_);
  held_.clear();
  state_ = State::done;
}

void HeaderEditor::finish(store::MessageBody& body) {
  if (state_ == State::done) return;
  // Between two lines there is nothing to part from a body; within one, that line is the body.
  const bool between_lines = state_ != State::line_start || held_.empty() || held_ == "\r";
  end_header(between_lines, body);
}

}  // namespace postern::smtp

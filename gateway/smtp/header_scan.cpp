#include "gateway/smtp/header_scan.hpp"

#include <algorithm>
#include <cstring>

#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

// Kept of a Received field. "by" comes behind the client's name and address, some hundred octets
// in; what a sender puts further back is not our own trace line.
constexpr std::size_t kKeptOctetsMax = 1024;

constexpr std::string_view kReceived = "RECEIVED";

constexpr bool is_white(char c) noexcept { return c == ' ' || c == '\t'; }
// RFC 5322 2.2: printable ASCII but the colon.
constexpr bool is_name_octet(char c) noexcept { return c > ' ' && c < 0x7f && c != ':'; }

void append_bounded(std::string& to, std::string_view octets) {
  to.append(octets.substr(0, kKeptOctetsMax - std::min(to.size(), kKeptOctetsMax)));
}

}  // namespace

void HeaderScan::start(std::string_view hostname) {
  hostname_ = hostname;
  begin_line();
  received_.clear();
  in_received_ = false;
  done_ = false;
  octets_ = 0;
  hops_ = 0;
  local_hops_ = 0;
}

std::size_t HeaderScan::feed(std::string_view octets) {
  const auto* lf = static_cast<const char*>(std::memchr(octets.data(), '\n', octets.size()));
  const std::size_t text =
      lf == nullptr ? octets.size() : static_cast<std::size_t>(lf - octets.data());
  take(octets.substr(0, text));
  if (lf == nullptr) return text;
  ++line_octets_;
  end_line();
  return text + 1;
}

void HeaderScan::begin_line() {
  part_ = Part::start;
  line_octets_ = 0;
  name_octets_ = 0;
  name_fits_ = true;
  value_.clear();
  crs_ = 0;
}

// Octets of a line before its LF, any split of them.
void HeaderScan::take(std::string_view octets) {
  line_octets_ += octets.size();
  while (!octets.empty() && part_ < Part::value) {
    take_name_octet(octets.front());
    octets.remove_prefix(1);
  }
  const bool kept = part_ == Part::value ? name_is_received() : part_ == Part::continuation;
  if (kept) keep(octets);
}

// An octet before the colon. White space before it is obsolete syntax that is still accepted.
void HeaderScan::take_name_octet(char c) {
  if (part_ == Part::start && is_white(c)) {
    part_ = Part::continuation;
    value_.push_back(c);  // it parts the words on both sides
  } else if (c == ':' && name_octets_ > 0) {
    part_ = Part::value;
  } else if (is_white(c)) {
    part_ = Part::behind_name;
  } else if (part_ == Part::behind_name || !is_name_octet(c)) {
    part_ = Part::no_field;
  } else {
    part_ = Part::name;
    const bool within = name_octets_ < kReceived.size();
    name_fits_ = name_fits_ && within && text::upper(c) == kReceived[name_octets_];
    ++name_octets_;
  }
}

bool HeaderScan::name_is_received() const noexcept {
  return name_fits_ && name_octets_ == kReceived.size();
}

// CRs at the end of a line are none of the field's; whether they are shows later.
void HeaderScan::keep(std::string_view octets) {
  const std::size_t last = octets.find_last_not_of('\r');
  if (last == std::string_view::npos) {
    crs_ += octets.size();
    return;
  }
  append_bounded(value_, std::string(std::min(crs_, kKeptOctetsMax), '\r'));
  append_bounded(value_, octets.substr(0, last + 1));
  crs_ = octets.size() - last - 1;
}

void HeaderScan::end_line() {
  if (part_ == Part::continuation) {
    octets_ += line_octets_;
    if (in_received_) append_bounded(received_, value_);
  } else {
    end_field();
    if (part_ != Part::value) {  // the empty line, or the body of a message without one
      done_ = true;
    } else {
      octets_ += line_octets_;
      in_received_ = name_is_received();
      if (in_received_) {
        ++hops_;
        received_.swap(value_);
      }
    }
  }
  begin_line();
}

void HeaderScan::end_field() {
  if (!in_received_) return;
  in_received_ = false;
  if (received_by(received_, hostname_)) ++local_hops_;
}

void HeaderScan::finish() {
  if (done_) return;
  if (line_octets_ > 0) end_line();
  end_field();
  done_ = true;
}

bool received_by(std::string_view value, std::string_view hostname) noexcept {
  int comment_depth = 0;
  bool after_by = false;
  std::size_t at = 0;
  while (at < value.size()) {
    const char c = value[at];
    if (c == '\\' && comment_depth > 0) {
      at += 2;
      continue;
    }
    if (c == '(') ++comment_depth;
    if (c == ')' && comment_depth > 0) --comment_depth;
    if (comment_depth > 0 || c == ')' || c == ' ' || c == '\t') {
      ++at;
      continue;
    }
    if (c == ';') return false;  // the date follows
    std::size_t end = at;
    while (end < value.size() && !std::strchr(" \t();", value[end])) ++end;
    if (end == at) end = at + 1;  // a NUL, which strchr() finds
    const std::string_view token = value.substr(at, end - at);
    if (after_by) return text::equal_folded(token, hostname);
    after_by = text::equal_folded(token, "by");
    at = end;
  }
  return false;
}

}  // namespace postern::smtp

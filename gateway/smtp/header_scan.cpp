#include "gateway/smtp/header_scan.hpp"

#include <algorithm>
#include <cstring>

#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

// Kept of a line that arrives in pieces, and of a Received field. "by" comes behind the client's
// name and address, some hundred octets in; what a sender puts further back is not our own trace
// line.
constexpr std::size_t kKeptOctetsMax = 1024;

constexpr std::string_view kReceived = "received";

void append_bounded(std::string& to, std::string_view octets) {
  to.append(octets.substr(0, kKeptOctetsMax - std::min(to.size(), kKeptOctetsMax)));
}

// The field name of a header line, empty if the line is no header field (RFC 5322 2.2; white space
// before the colon is obsolete syntax that is still accepted).
std::string_view field_name(std::string_view line) {
  std::size_t end = 0;
  while (end < line.size() && line[end] > ' ' && line[end] != ':' && line[end] != 0x7f) ++end;
  std::size_t colon = end;
  while (colon < line.size() && (line[colon] == ' ' || line[colon] == '\t')) ++colon;
  if (colon == line.size() || line[colon] != ':') return {};
  return line.substr(0, end);
}

}  // namespace

void HeaderScan::start(std::string_view hostname) {
  hostname_ = hostname;
  line_.clear();
  line_octets_ = 0;
  received_.clear();
  in_received_ = false;
  done_ = false;
  octets_ = 0;
  hops_ = 0;
  local_hops_ = 0;
}

std::size_t HeaderScan::feed(std::string_view octets) {
  const auto* end = static_cast<const char*>(std::memchr(octets.data(), '\n', octets.size()));
  if (end == nullptr) {
    append_bounded(line_, octets);
    line_octets_ += octets.size();
    return octets.size();
  }
  const std::string_view rest = octets.substr(0, static_cast<std::size_t>(end - octets.data()) + 1);
  if (line_octets_ == 0) {
    end_line(rest, rest.size());
  } else {
    append_bounded(line_, rest);
    end_line(line_, line_octets_ + rest.size());
    line_.clear();
    line_octets_ = 0;
  }
  return rest.size();
}

// `line` is the whole line with CRLF, or its beginning when it is long.
void HeaderScan::end_line(std::string_view line, std::uint64_t line_octets) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (!line.empty() && (line.front() == ' ' || line.front() == '\t')) {
    octets_ += line_octets;
    if (in_received_) append_bounded(received_, line);
    return;
  }
  end_field();
  const std::string_view name = field_name(line);
  if (name.empty()) {  // the empty line, or the body of a message without one
    done_ = true;
    return;
  }
  octets_ += line_octets;
  if (text::equal_folded(name, kReceived)) {
    ++hops_;
    in_received_ = true;
    received_.assign(line.substr(line.find(':') + 1).substr(0, kKeptOctetsMax));
  }
}

void HeaderScan::end_field() {
  if (!in_received_) return;
  in_received_ = false;
  if (received_by(received_, hostname_)) ++local_hops_;
}

void HeaderScan::finish() {
  if (done_) return;
  if (line_octets_ > 0) end_line(line_, line_octets_);
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

#include "sidecars/pop3/dot_stuffer.hpp"

#include <cstring>

namespace postern::pop3 {

namespace {

// Octets looked at together. A fixed count lets the compiler turn the loop into vector compares.
constexpr std::size_t kScanOctets = 64;

// Whether any of the kScanOctets octets behind `before` is a dot behind an LF; before[0] may be
// that LF.
bool block_has_line_dot(const char* before) noexcept {
  const char* const here = before + 1;
  unsigned char any = 0;
  for (std::size_t i = 0; i < kScanOctets; ++i) {
    any = static_cast<unsigned char>(
        any | (static_cast<unsigned>(here[i] == '.') & static_cast<unsigned>(before[i] == '\n')));
  }
  return any != 0;
}

// Index of the first dot behind an LF at or after `from` (>= 1); text.size() if there is none.
// Scans at a speed that does not depend on how many dots and LFs a sender put in.
std::size_t find_line_dot(std::string_view text, std::size_t from) noexcept {
  std::size_t at = from;
  while (at + kScanOctets <= text.size() && !block_has_line_dot(text.data() + at - 1))
    at += kScanOctets;
  for (; at < text.size(); ++at)
    if (text[at] == '.' && text[at - 1] == '\n') return at;
  return text.size();
}

}  // namespace

void DotStuffer::append(std::string_view octets, std::string& out) {
  if (octets.empty()) return;
  if (at_line_start_ && octets.front() == '.') out.push_back('.');
  std::size_t begin = 0;
  for (std::size_t dot = find_line_dot(octets, 1); dot < octets.size();
       dot = find_line_dot(octets, dot + 1)) {
    out.append(octets.substr(begin, dot - begin));
    out.push_back('.');  // the dot itself opens the next run
    begin = dot;
  }
  out.append(octets.substr(begin));
  const char last = octets.back();
  const bool cr_before_last = octets.size() >= 2 ? octets[octets.size() - 2] == '\r' : last_was_cr_;
  at_line_start_ = last == '\n';
  ends_in_crlf_ = last == '\n' && cr_before_last;
  last_was_cr_ = last == '\r';
}

void DotStuffer::finish(std::string& out) { out.append(ends_in_crlf_ ? ".\r\n" : "\r\n.\r\n"); }

std::size_t TopLimiter::accept(std::string_view octets) noexcept {
  std::size_t at = 0;
  while (!done_ && at < octets.size()) {
    const char* begin = octets.data() + at;
    const void* found = std::memchr(begin, '\n', octets.size() - at);
    const std::size_t line_octets =
        found == nullptr ? octets.size() - at
                         : static_cast<std::size_t>(static_cast<const char*>(found) - begin);
    if (in_header_) {
      // An empty line is LF or CRLF at a line start; anything else in front of the LF is a field.
      const bool only_cr = line_octets == 1 && *begin == '\r';
      if (line_octets > 1 || (line_octets == 1 && (!only_cr || !line_is_untouched_)))
        line_is_empty_ = false;
      line_is_untouched_ = line_is_untouched_ && line_octets == 0;
    }
    at += line_octets;
    if (found == nullptr) break;
    ++at;
    end_line();
  }
  return at;
}

void TopLimiter::end_line() noexcept {
  if (!in_header_) {
    done_ = --lines_left_ == 0;
    return;
  }
  if (line_is_empty_) {
    in_header_ = false;
    done_ = lines_left_ == 0;
  }
  line_is_empty_ = true;
  line_is_untouched_ = true;
}

}  // namespace postern::pop3

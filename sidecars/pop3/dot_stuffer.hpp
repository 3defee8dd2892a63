// Multi-line framing of message octets (RFC 1939 section 3), and TOP's cut. Both work on pieces of
// any size and remember where they were.
//
// Which octets a message is served as, so that STAT and LIST tell the truth (POP-04, POP-21):
// exactly the stored ones. A bare LF stays a bare LF, NUL and 8-bit octets stay, nothing is
// appended that counts. The number of octets between the status line and the terminator, before
// stuffing, is the stored size. The terminator is CRLF "." CRLF. A message that ends in CRLF lends
// its own CRLF to it; one that does not gets a CRLF that belongs to the terminator and not to the
// message (SMTP stores only the former kind). An empty message needs none: the status line's CRLF
// is there. A dot is stuffed after every LF, bare or not: many clients end lines at LF, and an
// unstuffed LF "." CRLF inside a message would end it early for them and turn the rest into
// responses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::pop3 {

/// Byte-stuffs one message.
class DotStuffer {
 public:
  /// Appends `octets` to `out` with every dot at the start of a line doubled.
  void append(std::string_view octets, std::string& out);
  /// Appends the terminator. The stuffer is spent after.
  void finish(std::string& out);

 private:
  bool at_line_start_ = true;  // the next octet is the first of a line
  bool ends_in_crlf_ = true;   // the last two octets were CRLF, or there were none at all
  bool last_was_cr_ = false;
};

/// Finds where TOP ends: behind the header, the empty line and `lines` lines of the body.
class TopLimiter {
 public:
  explicit TopLimiter(std::uint64_t lines) noexcept : lines_left_(lines) {}
  /// Looks at the next octets of the message; returns how many of them belong to the answer. Fewer
  /// than given, or done(), means the end was found.
  std::size_t accept(std::string_view octets) noexcept;
  bool done() const noexcept { return done_; }

 private:
  void end_line() noexcept;

  std::uint64_t lines_left_;
  bool in_header_ = true;
  bool line_is_empty_ = true;      // the header line so far holds nothing but perhaps one CR
  bool line_is_untouched_ = true;  // ... and not even that
  bool done_ = false;
};

}  // namespace postern::pop3

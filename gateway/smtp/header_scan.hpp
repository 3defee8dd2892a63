// Watches a message header go by: how large it is, how many Received fields it has, and how many of
// them are this server's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::smtp {

/// Fed with the message's octets in any split until done(). Holds one line's beginning and one
/// Received field at most, both bounded.
class HeaderScan {
 public:
  /// Forgets the last message. `hostname` is compared with the "by" of Received fields and stays
  /// valid.
  void start(std::string_view hostname);
  /// Takes octets of the message up to the end of a line, or all of them, and returns how many. Not
  /// empty, and not after done(). Numbers change at line ends only, so they do not depend on the
  /// split.
  std::size_t feed(std::string_view octets);
  /// The message ended, perhaps within its header.
  void finish();

  /// The empty line, or a line that is no header field, was seen.
  bool done() const noexcept { return done_; }
  /// Octets of whole header lines so far, with their line ends, without the empty line.
  std::uint64_t octets() const noexcept { return octets_; }
  /// Received fields (SMTP-06).
  std::uint32_t hops() const noexcept { return hops_; }
  /// Received fields whose "by" names this host (SMTP-07).
  std::uint32_t local_hops() const noexcept { return local_hops_; }

 private:
  void end_line(std::string_view line, std::uint64_t line_octets);
  void end_field();

  std::string_view hostname_;
  std::string line_;               // beginning of a line that was split across feeds
  std::uint64_t line_octets_ = 0;  // all octets of it so far
  std::string received_;           // value of the Received field that is being collected
  bool in_received_ = false;
  bool done_ = false;
  std::uint64_t octets_ = 0;
  std::uint32_t hops_ = 0;
  std::uint32_t local_hops_ = 0;
};

/// Whether a Received field's value (RFC 5321 4.4, folded or not, comments skipped) says "by
/// `hostname`".
bool received_by(std::string_view value, std::string_view hostname) noexcept;

}  // namespace postern::smtp

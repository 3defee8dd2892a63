// Watches a message header go by: how large it is, how many Received fields it has, and how many of
// them are this server's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::smtp {

/// Fed with the message's octets in any split until done(): what it says never depends on the
/// split. Lines and field names may be of any length. Holds a line's text and one Received field at
/// most, both bounded.
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
  /// Where in a line the next octet is.
  enum class Part : std::uint8_t {
    start,
    name,
    behind_name,   // white space between name and colon
    value,         // behind the colon
    continuation,  // of the line before
    no_field,
  };

  void begin_line();
  void take(std::string_view octets);
  void take_name_octet(char c);
  void keep(std::string_view octets);
  bool name_is_received() const noexcept;
  void end_line();
  void end_field();

  std::string_view hostname_;
  // The line.
  Part part_ = Part::start;
  std::uint64_t line_octets_ = 0;
  std::size_t name_octets_ = 0;
  bool name_fits_ = true;  // its name so far is the beginning of "Received"
  std::string value_;      // beginning of a continuation, or of a Received field's value
  std::size_t crs_ = 0;    // behind it, perhaps of the line end
  // The field, which may be several lines.
  std::string received_;  // beginning of its value, if it is a Received field
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

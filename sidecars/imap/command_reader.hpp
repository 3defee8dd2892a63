// Cuts the client's octets into whole commands, literals included (RFC 3501 4.3, RFC 7888). Framing
// only: what the octets mean is for Arguments and the commands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::imap {

/// Push framer. Holds at most `limit` octets of an unfinished command; whatever is refused or too
/// long is thrown away as it arrives. Accepts a bare LF as line end (IMAP-04).
class CommandReader {
 public:
  struct Step {
    enum class Kind : std::uint8_t {
      need_more,  ///< everything given was consumed, nothing is complete
      command,    ///< `text` is a command with its literals in place, without the last line end
      line,       ///< `text` is a continuation line without its end (after expect_line())
      literal,    ///< `text`, the command so far, announces a literal: call accept_ or
                  ///< refuse_literal()
      too_long,   ///< the command, beginning with `text`, exceeds the limit; its rest is discarded
      overrun,    ///< more than kDiscardOctetsMax were discarded: give the connection up
    };
    Kind kind = Kind::need_more;
    std::size_t consumed = 0;  ///< octets of the input that were used
    std::string_view text;     ///< valid until the next call
    std::uint64_t literal_octets = 0;
    bool synchronising = false;  ///< the client waits for a continuation request
    bool fits = false;           ///< the literal stays within the limit
  };

  /// Most octets a command may have, its literals included.
  void set_limit(std::size_t octets) noexcept { limit_ = octets; }
  /// The next step is one plain line (AUTHENTICATE, IDLE), however it looks.
  void expect_line() noexcept { plain_line_ = true; }
  /// Uses octets until something is complete or `in` is used up.
  Step feed(std::string_view in);
  /// After Kind::literal: its octets become part of the command.
  void accept_literal();
  /// After Kind::literal: the command is dropped; of a non-synchronising one the rest is discarded
  /// as it arrives. The caller answers the command at once.
  void refuse_literal();
  /// Forgets an unfinished command (STARTTLS).
  void reset();
  /// No octet of an unfinished command is held or being discarded.
  bool at_command_start() const noexcept { return mode_ == Mode::line && buffer_.empty(); }

 private:
  enum class Mode : std::uint8_t { line, literal, discard_literal, discard_line };

  Step take_line(std::string_view in, std::size_t done);
  Step end_of_line(std::string_view in, std::size_t begin, std::size_t end);
  bool discard(std::string_view in, std::size_t& done);
  std::size_t line_limit() const noexcept;

  Mode mode_ = Mode::line;
  bool plain_line_ = false;
  bool give_out_ = false;  // buffer_ was given out as text and is to be cleared
  std::size_t limit_ = 8192;
  std::string buffer_;           // the unfinished command
  std::size_t line_begin_ = 0;   // of the current line in buffer_
  std::string tail_;             // while discarding a line: its last octets
  std::uint64_t remaining_ = 0;  // octets of the current literal
  std::uint64_t discarded_ = 0;  // in a row
  bool synchronising_ = false;
};

}  // namespace postern::imap

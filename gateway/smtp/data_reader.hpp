// DATA's transparency (RFC 5321 4.5.2): finds the end of the message, removes stuffed dots, sees
// bare line ends. The hot path of the server: whole runs are found sixteen octets at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace postern::smtp {

/// Index of the first octet that is not plain text flow, octets.size() if none: a LF without CR
/// before it, anything but LF behind a CR, or a '.' behind a LF. `previous` is the octet before the
/// first one.
std::size_t find_irregular(std::string_view octets, char previous) noexcept;

/// Reads the octets behind DATA's 354. The message ends on <CRLF>.<CRLF> only; a bare LF or CR
/// never takes part in that and never begins a line.
class DataReader {
 public:
  /// What the next octets are.
  struct Piece {
    std::size_t consumed = 0;   ///< octets of the input that are dealt with
    std::string_view content;   ///< octets of the message (into the input, or static)
    bool end = false;           ///< the message is complete
    bool bare_newline = false;  ///< a CR or LF on its own was seen
  };
  /// A message begins; the line before it (DATA's own) ended with CRLF.
  void start() noexcept { *this = DataReader(); }
  /// The next piece of a non-empty input.
  Piece next(std::string_view in) noexcept;

 private:
  enum class State : unsigned char { text, dot, dot_cr };
  Piece after_dot(char c) noexcept;

  State state_ = State::text;
  char previous_ = '\n';
};

/// Sees bare line ends in content that has no dots to remove (BDAT).
class NewlineCheck {
 public:
  /// What the next octets are.
  struct Piece {
    std::string_view content;   ///< the beginning of the input
    bool bare_newline = false;  ///< it is one octet, at which a CR or LF on its own shows: the LF,
                                ///< or what follows the CR
  };
  void start() noexcept { *this = NewlineCheck(); }
  /// The next piece of a non-empty input.
  Piece next(std::string_view in) noexcept;

 private:
  char previous_at(std::string_view octets, std::size_t at) const noexcept {
    return at > 0 ? octets[at - 1] : previous_;
  }

  char previous_ = '\n';
};

}  // namespace postern::smtp

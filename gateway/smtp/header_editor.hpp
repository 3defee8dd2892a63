// Changes a message's header while it goes by (RFC 6409 section 8): takes Bcc out, adds Date and
// Message-ID when they are missing. Everything else passes as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/message_body.hpp"

namespace postern::smtp {

/// What is to be done with one message.
struct HeaderEdits {
  bool add_missing = false;  ///< Date and Message-ID (RFC 6409 8.2 and 8.3)
  bool remove_bcc = false;   ///< Bcc and Resent-Bcc (RFC 5322 3.6.3)
  std::int64_t unix_ms = 0;  ///< the date to add
  std::string_view id;       ///< left and right of a Message-ID to add; stay valid for the message
  std::string_view hostname;
};

/// Fed with the message's octets in any split until done(); what it lets pass goes into the body,
/// the same for every split. Holds a field name at most (kNameOctetsMax), never a whole line.
///
/// The header ends at the empty line or at a line that is no field, as HeaderScan sees it; missing
/// fields are added there, behind the others, with an empty line if there was none.
class HeaderEditor {
 public:
  /// RFC 5322 2.1.1: no line is longer, so no field name is.
  static constexpr std::size_t kNameOctetsMax = 998;

  /// Forgets the last message.
  void start(const HeaderEdits& edits);
  /// The message's header is not looked at.
  void skip() noexcept { state_ = State::done; }
  /// Takes octets up to the end of the header, or all of them, and returns how many.
  std::size_t feed(std::string_view octets, store::MessageBody& body);
  /// The message ended, perhaps within its header.
  void finish(store::MessageBody& body);

  bool done() const noexcept { return state_ == State::done; }
  /// The message has a Message-ID of its own.
  bool has_message_id() const noexcept { return has_message_id_; }

 private:
  enum class State : std::uint8_t {
    line_start,  ///< `held_` has the line so far: a field name, not complete yet
    field,       ///< within a field that stays, up to its line end
    dropped,     ///< within a field that goes
    done,
  };

  std::size_t take_start(std::string_view octets, store::MessageBody& body);
  void begin_field(std::string_view name, store::MessageBody& body);
  void end_header(bool empty_line, store::MessageBody& body);

  HeaderEdits edits_;
  State state_ = State::done;
  bool last_dropped_ = false;  // the field before: a continuation line goes the same way
  bool has_date_ = false;
  bool has_message_id_ = false;
  std::string held_;
};

}  // namespace postern::smtp

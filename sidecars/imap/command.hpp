// A command while it runs, and the row that describes it in the command table.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "runtime/result.hpp"
#include "sidecars/common/mail_requests.hpp"

namespace postern::imap {

class Arguments;
struct Context;

/// What a command waits for, or that it is through.
enum class Progress : std::uint8_t {
  done,   ///< Context::completion says how it ended
  reply,  ///< Context::request was set: on_reply() comes next
  room,   ///< the output is full: run() comes again when it was sent
  line,   ///< a continuation line of the client: on_line() comes next
  timer,  ///< Context::wake was set: run() comes again at that moment
};

/// One command in progress. Made by its table row's parse function from the arguments, dropped when
/// its tagged answer is written. A session has at most one (IMAP-20).
class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  /// Begins, and goes on after Progress::room and Progress::timer.
  virtual Progress run(Context& context) = 0;
  /// The answer to the request that was made. A command that asks overrides it.
  virtual Progress on_reply(Context& context, sidecars::MailReply reply);
  /// A line without its CRLF. A command that returns Progress::line overrides it.
  virtual Progress on_line(Context& context, std::string_view line);
};

using CommandPtr = std::unique_ptr<Command>;

/// Session states of RFC 3501 section 3, as bits.
enum StateBits : std::uint8_t {
  kNotAuthenticated = 1,
  kAuthenticated = 2,
  kSelected = 4,
  kAnyState = 7,
};

/// Properties of a command, as bits.
enum CommandBits : std::uint8_t {
  /// No EXPUNGE may be sent while it is in progress (RFC 3501 7.4.1: FETCH, STORE, SEARCH, not
  /// their UID forms).
  kKeepsSequenceNumbers = 1,
  /// The mailbox is looked at anew at its end even if no change was announced (NOOP, CHECK, IDLE).
  kRefreshes = 2,
  /// Permitted before TLS on a listener that demands TLS.
  kBeforeTls = 4,
  /// Its responses carry UID (the UID commands).
  kUidForm = 8,
  /// Changes of the mailbox are told while it waits for a line (IDLE).
  kAnnouncesChanges = 16,
  /// Answered before a literal argument is taken in (APPEND).
  kRefusesLiterals = 32,
  /// Refused where a password would cross the network in the clear (IMAP-24), before its literals
  /// are read.
  kSendsPassword = 64,
};

/// A row of the command table.
struct CommandSpec {
  std::string_view name;  ///< in capitals; UID forms as "UID FETCH"
  std::uint8_t states;    ///< StateBits in which it is valid
  std::uint8_t bits;      ///< CommandBits
  /// Reads the arguments, from the delimiter behind the name to the end of the command. An error's
  /// message becomes the text of a BAD; ErrorCode::unsupported makes it a NO [CANNOT].
  Result<CommandPtr> (*parse)(Context& context, Arguments& arguments);
};

}  // namespace postern::imap

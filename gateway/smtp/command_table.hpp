// The commands, with what must hold before each may run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/smtp/conversation.hpp"
#include "gateway/smtp/replies.hpp"

namespace postern::smtp {

/// Conditions of a command. A command that carries none may be given at any time, without an
/// argument or with one.
enum CommandFlags : std::uint16_t {
  kBeforeTls = 1 << 0,   ///< allowed on a TLS-required listener before TLS (RFC 3207 section 4)
  kNeedsHello = 1 << 1,  ///< EHLO or HELO first
  kNeedsEhlo = 1 << 2,   ///< EHLO first: the command belongs to an extension
  kNeedsAuth = 1 << 3,   ///< AUTH first where the listener demands it (RFC 4954, 6409)
  kNotInTransaction = 1 << 4,  ///< 503 between MAIL and the end of the message
  kNotInChunking = 1 << 5,     ///< 503 between the first BDAT and the end of the message (RFC 3030)
  kNoArguments = 1 << 6,       ///< 501 if there is any
  kEndsGroup = 1 << 8,         ///< nothing may follow before its reply (RFC 2920 3.1, RFC 4954 4)
  kEndsSession = 1 << 9,       ///< whatever follows is nobody's business
  kBehindMail = 1 << 10,   ///< part of a message: where its MAIL was refused, that was the mistake
  kTransaction = 1 << 11,  ///< counted against transactions_max, whatever becomes of it
  kCarriesPayload = 1 << 7,  ///< octets follow the line: the handler runs, whatever the conditions
                             ///< say, is told what they said, and has to get rid of the octets
};

/// What a handler is given. `arguments` has no leading or trailing spaces and is valid during the
/// call.
struct CommandCall {
  std::string_view arguments;
  std::optional<Reply> refusal;  ///< with kCarriesPayload: what the conditions said
};

struct Command {
  std::string_view verb;  ///< in capitals
  std::uint16_t flags = 0;
  void (*run)(Conversation&, const CommandCall&) = nullptr;
};

/// The command of a verb in any case; nullptr: there is none.
const Command* find_command(std::string_view verb) noexcept;
/// What the command's conditions say now; nullopt: it may run.
std::optional<Reply> check_conditions(const Command& command, const Conversation& conversation,
                                      std::string_view arguments) noexcept;
/// A verb of HTTP: a browser that was led here by a hostile page (cross-protocol attack).
bool is_http_verb(std::string_view verb) noexcept;

}  // namespace postern::smtp

// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, APPEND, COPY, MOVE: the store has no mutation for
// folders and new messages from clients yet. A well-formed command is answered NO [CANNOT], a
// malformed one BAD.
#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/folder_argument.hpp"
#include "sidecars/imap/sequence_set.hpp"

namespace postern::imap {
namespace {

std::unexpected<Error> unavailable() {
  return fail(ErrorCode::unsupported, "This server does not support the command");
}

Result<void> mailbox_then_end(Arguments& arguments) {
  if (auto name = parse_mailbox(arguments); !name) return std::unexpected(name.error());
  return arguments.end();
}

}  // namespace

Result<CommandPtr> parse_folder_name(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (parsed) parsed = mailbox_then_end(arguments);
  if (!parsed) return std::unexpected(parsed.error());
  return unavailable();
}

Result<CommandPtr> parse_rename(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  if (auto name = parse_mailbox(arguments); !name) return std::unexpected(name.error());
  parsed = arguments.space();
  if (parsed) parsed = mailbox_then_end(arguments);
  if (!parsed) return std::unexpected(parsed.error());
  return unavailable();
}

Result<CommandPtr> parse_copy(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  if (auto set = parse_sequence_set(arguments); !set) return std::unexpected(set.error());
  parsed = arguments.space();
  if (parsed) parsed = mailbox_then_end(arguments);
  if (!parsed) return std::unexpected(parsed.error());
  return unavailable();
}

Result<CommandPtr> parse_append(Context&, Arguments&) {
  // With a literal the session has answered before; without one the command cannot be right.
  return fail(ErrorCode::invalid_argument, "APPEND needs a literal");
}

}  // namespace postern::imap

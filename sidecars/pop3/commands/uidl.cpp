// UIDL (RFC 1939 section 7, POP-15). The unique-id is the message's uid in decimal: increasing,
// kept for ever, never used again.
#include <fmt/format.h>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_uidl(const CommandLine& line, Now) {
  if (line.argument_count == 0) {
    reply_ok("unique-id listing follows");
    listing_.emplace().unique_ids = true;
  } else if (const auto number = message_argument(line.arguments[0])) {
    reply_ok(fmt::format("{} {}", *number, maildrop_.entry(*number).uid));
  }
}

}  // namespace postern::pop3

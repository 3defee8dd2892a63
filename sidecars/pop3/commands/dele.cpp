// DELE (RFC 1939 section 5): marks; QUIT removes.
#include <fmt/format.h>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_dele(const CommandLine& line, Now) {
  if (const auto number = message_argument(line.arguments[0])) {
    maildrop_.mark_deleted(*number);
    reply_ok(fmt::format("message {} marked as deleted", *number));
  }
}

}  // namespace postern::pop3

// LIST (RFC 1939 section 5, POP-04): exact sizes, and nothing behind them.
#include <fmt/format.h>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_list(const CommandLine& line, Now) {
  if (line.argument_count == 0) {
    reply_ok(fmt::format("{} messages ({} octets)", maildrop_.available_count(),
                         maildrop_.available_octets()));
    listing_.emplace();
  } else if (const auto number = message_argument(line.arguments[0])) {
    reply_ok(fmt::format("{} {}", *number, maildrop_.entry(*number).size_octets));
  }
}

}  // namespace postern::pop3

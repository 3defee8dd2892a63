// RETR (RFC 1939 section 5, POP-21). See dot_stuffer.hpp for which octets a message is sent as.
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_retr(const CommandLine& line, Now) {
  if (const auto number = message_argument(line.arguments[0]))
    begin_transfer(*number, std::nullopt);
}

}  // namespace postern::pop3

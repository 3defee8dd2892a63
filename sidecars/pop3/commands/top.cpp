// TOP (RFC 1939 section 7): the header, the empty line, and so many lines of the body.
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_top(const CommandLine& line, Now) {
  const auto lines = parse_number(line.arguments[1]);
  if (!lines) {
    reply_error("the number of lines is a decimal number");
  } else if (const auto number = message_argument(line.arguments[0])) {
    begin_transfer(*number, *lines);
  }
}

}  // namespace postern::pop3

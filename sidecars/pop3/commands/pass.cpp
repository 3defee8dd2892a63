// PASS (RFC 1939 section 7).
#include <string>
#include <utility>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

// POP-17: the whole rest of the line is the password, blanks at its beginning and end included. So
// here, and only here, one blank is the separator and further ones are not (POP-01): clients send
// what the user typed.
void Pop3Session::command_pass(const CommandLine& line, Now) {
  if (!plaintext_permitted()) {
    reply_error("plaintext login needs TLS: use STLS first");
  } else if (!user_given_) {
    reply_error("send USER first");
  } else {
    begin_login(std::exchange(user_, {}), std::string(line.tail), "USER");
  }
}

}  // namespace postern::pop3

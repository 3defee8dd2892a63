// PASS (RFC 1939 section 7).
#include <string>
#include <utility>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

// POP-17: the rest of the line is the password, inner and trailing blanks included. Blanks before
// it are the separator, of which POP-01 allows several: a password that begins with a blank needs
// AUTH.
void Pop3Session::command_pass(const CommandLine& line, Now) {
  if (!plaintext_permitted()) {
    reply_error("plaintext login needs TLS: use STLS first");
  } else if (!user_given_) {
    reply_error("send USER first");
  } else {
    begin_login(std::exchange(user_, {}), std::string(line.rest), "USER");
  }
}

}  // namespace postern::pop3

// USER (RFC 1939 section 7).
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

// POP-16: +OK whether or not there is such a mailbox. Blanks inside the name belong to it; blanks
// behind it do not.
void Pop3Session::command_user(const CommandLine& line, Now) {
  if (!plaintext_permitted()) {
    reply_error("plaintext login needs TLS: use STLS first");
    return;
  }
  user_ = line.rest.substr(0, line.rest.find_last_not_of(" \t") + 1);
  user_given_ = true;
  reply_ok("send the password");
}

}  // namespace postern::pop3

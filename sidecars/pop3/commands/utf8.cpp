// UTF8 (RFC 6856 section 2): the client can read UTF-8 in headers.
//
// There is no mode to remember: messages are served as they are stored, UTF-8 included, either way.
// A client that never said UTF8 gets a raw UTF-8 header rather than an error: refusing would make a
// message impossible to fetch and, for a client that keeps its maildrop empty, impossible to get
// past.
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_utf8(const CommandLine&, Now) { reply_ok("UTF8 enabled"); }

}  // namespace postern::pop3

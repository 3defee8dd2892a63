// NOOP (RFC 1939 section 5).
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_noop(const CommandLine&, Now) { reply_ok({}); }

}  // namespace postern::pop3

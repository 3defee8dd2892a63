// RSET (RFC 1939 section 5).
#include <fmt/format.h>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_rset(const CommandLine&, Now) {
  maildrop_.reset_marks();
  reply_ok(fmt::format("maildrop has {} messages ({} octets)", maildrop_.available_count(),
                       maildrop_.available_octets()));
}

}  // namespace postern::pop3

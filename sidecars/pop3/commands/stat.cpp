// STAT (RFC 1939 section 5, POP-04).
#include <fmt/format.h>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_stat(const CommandLine&, Now) {
  reply_ok(fmt::format("{} {}", maildrop_.available_count(), maildrop_.available_octets()));
}

}  // namespace postern::pop3

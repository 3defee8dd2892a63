// LOGOUT (RFC 3501 6.1.3).
#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {

Result<CommandPtr> parse_logout(Context&, Arguments& arguments) {
  return without_arguments(arguments, [](Context& context) {
    context.untagged("BYE Logging out");
    context.unselect();
    context.end = EndReason::logout;
    return context.ok("LOGOUT completed");
  });
}

}  // namespace postern::imap

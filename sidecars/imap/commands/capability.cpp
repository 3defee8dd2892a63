// CAPABILITY (RFC 3501 6.1.1).
#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {

Result<CommandPtr> parse_capability(Context&, Arguments& arguments) {
  return without_arguments(arguments, [](Context& context) {
    context.untagged("CAPABILITY " + capabilities(context));
    return context.ok("CAPABILITY completed");
  });
}

}  // namespace postern::imap

// NOOP and CHECK (RFC 3501 6.1.2, 6.4.1), which are the same (IMAP-32). What they are for, the
// refresh, is in their rows of the command table.
#include <string>

#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {

Result<CommandPtr> parse_noop(Context&, Arguments& arguments) {
  return without_arguments(arguments, [](Context& context) {
    return context.ok(std::string(context.spec->name) + " completed");
  });
}

}  // namespace postern::imap

// NAMESPACE (RFC 2342): one personal namespace, the whole hierarchy.
#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {

Result<CommandPtr> parse_namespace(Context&, Arguments& arguments) {
  return without_arguments(arguments, [](Context& context) {
    context.untagged("NAMESPACE ((\"\" \"/\")) NIL NIL");
    return context.ok("NAMESPACE completed");
  });
}

}  // namespace postern::imap

// ENABLE (RFC 5161). No extension here changes responses yet, so the answer is an empty list:
// unknown names are not an error (section 3.1).
#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {

Result<CommandPtr> parse_enable(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  while (true) {
    if (auto name = arguments.atom(); !name) return std::unexpected(name.error());
    if (arguments.peek() != ' ') break;
    if (auto space = arguments.space(); !space) return std::unexpected(space.error());
    if (arguments.at_end()) break;
  }
  return without_arguments(arguments, [](Context& context) {
    context.untagged("ENABLED");
    return context.ok("ENABLE completed");
  });
}

}  // namespace postern::imap

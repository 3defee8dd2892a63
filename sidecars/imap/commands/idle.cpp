// IDLE (RFC 2177). The changes are told by the session (kAnnouncesChanges); here is only the frame.
#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {
namespace {

class Idle final : public Command {
 public:
  Progress run(Context& context) override {
    context.out().append("+ idling\r\n");
    return Progress::line;
  }
  Progress on_line(Context& context, std::string_view line) override {
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (!equals_ignoring_case(line, "DONE")) return context.bad("DONE was expected");
    return context.ok("IDLE completed");
  }
};

}  // namespace

Result<CommandPtr> parse_idle(Context&, Arguments& arguments) {
  if (auto end = arguments.end(); !end) return std::unexpected(end.error());
  return std::make_unique<Idle>();
}

}  // namespace postern::imap

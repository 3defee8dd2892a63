// ID (RFC 2971).
#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/response.hpp"

namespace postern::imap {
namespace {

/// The client's parameters: checked, bounded, not used.
Result<void> skip_parameters(Arguments& arguments) {
  if (arguments.take_word("NIL")) return {};
  const auto malformed = [](const char* text) { return fail(ErrorCode::invalid_argument, text); };
  if (!arguments.take('(')) return malformed("ID needs a parenthesised list or NIL");
  if (arguments.take(')')) return {};
  for (std::size_t pairs = 1;; ++pairs) {
    if (pairs > kIdPairsMax) return malformed("There are too many ID parameters");
    if (auto name = arguments.string(); !name) return std::unexpected(name.error());
    if (auto space = arguments.space(); !space) return space;
    if (auto value = arguments.nstring(); !value) return std::unexpected(value.error());
    if (arguments.take(')')) return {};
    if (auto space = arguments.space(); !space) return space;
  }
}

}  // namespace

Result<CommandPtr> parse_id(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (parsed) parsed = skip_parameters(arguments);
  if (!parsed) return std::unexpected(parsed.error());
  return without_arguments(arguments, [](Context& context) {
    std::string& out = context.out();
    out.append("* ID (\"name\" \"Postern\"");
    if (!context.profile->version.empty()) {
      out.append(" \"version\" ");
      append_string(out, context.profile->version);
    }
    out.append(")\r\n");
    return context.ok("ID completed");
  });
}

}  // namespace postern::imap

// STARTTLS (RFC 3501 6.2.1).
#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {

Result<CommandPtr> parse_starttls(Context&, Arguments& arguments) {
  return without_arguments(arguments, [](Context& context) {
    if (context.tls_active) return context.bad("TLS is active already");
    if (!context.starttls_offered()) return context.no("CANNOT", "TLS is not offered here");
    context.starts_tls = true;
    return context.ok("Begin TLS negotiation now");
  });
}

}  // namespace postern::imap

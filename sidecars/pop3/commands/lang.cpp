// LANG (RFC 6856 section 3). All texts are English; "i-default" (RFC 2277) names the same ones.
#include <string>
#include <string_view>

#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_lang(const CommandLine& line, Now) {
  if (line.argument_count == 0) {
    reply_ok("language listing follows");
    send("i-default Default language (English)\r\nen English\r\n.\r\n");
    return;
  }
  std::string_view range = line.arguments[0];
  if (range == "*" || equals_ignoring_case(range, "i-default")) {
    reply_ok("i-default language changed");
    return;
  }
  // RFC 4647 section 3.4 lookup with the one language there is: "en-GB" falls back to "en".
  const std::string_view primary = range.substr(0, range.find('-'));
  if (equals_ignoring_case(primary, "en"))
    reply_ok("en language changed");
  else
    reply_error("i-default language not available");
}

}  // namespace postern::pop3

// Address lists of header fields (RFC 5322 3.4) as ENVELOPE wants them. Lenient: bad addresses give
// what can be read of them.
#pragma once

#include <string>
#include <string_view>

namespace postern::imap {

/// Appends "((personal adl mailbox host) ...)" for the field's unfolded value, or NIL if it names
/// nobody. Groups become their start and end marks (RFC 3501 7.4.2).
void append_address_list(std::string& out, std::string_view value);

}  // namespace postern::imap

// The one form in which addresses and domains are compared (RFC 5321 2.4, RFC 6531 3.2): every
// spelling of a mailbox has the same one.
//   ASCII     letters to lower case; nothing else is looked at, so this costs what folding costs
//   domain    its A-labels (UTS 46, non-transitional): "BÜCHER.example" and "xn--bcher-kva.example"
//             are one domain
//   local     NFC, case folded: composed and decomposed spellings are one mailbox
#pragma once

#include <string>
#include <string_view>

namespace postern::store {

/// ASCII letters to lower case.
std::string fold_case(std::string_view text);

/// A domain's form. A text that is no domain name by IDNA (only with octets above 127) comes back
/// folded: it is compared as it is, and equals no domain of ours. Any thread.
std::string canonical_domain(std::string_view domain);
/// A local part's form; `local_part` without quotes. Text that is not UTF-8 comes back folded.
std::string canonical_local_part(std::string_view local_part);
/// "local@domain", split at the last '@'; text without one is taken as a local part.
std::string canonical_address(std::string_view address);

}  // namespace postern::store

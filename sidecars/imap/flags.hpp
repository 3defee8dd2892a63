// Flags on the wire: FLAGS lists out, flag lists of STORE and SEARCH in (RFC 3501 2.3.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "sidecars/imap/arguments.hpp"
#include "store/mutation.hpp"
#include "store/types.hpp"

namespace postern::imap {

/// The five system flags' bits: what FlagSet::system may hold.
inline constexpr std::uint16_t kSystemFlagsAll = 0x1f;

/// "(\Seen $MDNSent)". Bits without a name in `keywords` are left out.
void append_flags(std::string& out, const store::FlagSet& flags,
                  const std::vector<std::string>& keywords);

/// "* FLAGS (...)" and "* OK [PERMANENTFLAGS (...)] ..." for a mailbox with these keywords.
/// IMAP-09: $MDNSent is always named; IMAP-10: "\*" if `client_keywords`; nothing is permanent if
/// `read_only`.
void append_flag_responses(std::string& out, const std::vector<std::string>& keywords,
                           bool client_keywords, bool read_only);

/// A flag list as the client wrote it.
struct FlagList {
  std::uint16_t system = 0;
  std::vector<std::string> keywords;  ///< each once
};

/// "(flag flag)" or flags without parentheses. invalid_argument for unknown system flags, \Recent
/// among them: the server alone sets it.
Result<FlagList> parse_flag_list(Arguments& arguments);

/// The bit of "\Seen" and so on, any case; nullopt for others.
std::optional<std::uint16_t> system_flag(std::string_view name) noexcept;

/// The keyword's bit in a table, any case; 0 if it is not there.
std::uint64_t keyword_bit(std::string_view name, const std::vector<std::string>& keywords) noexcept;

/// What a message's flags are after `change`, with keywords resolved in `keywords`.
store::FlagSet apply(const store::FlagSet& flags, const store::StoreFlags& change,
                     const std::vector<std::string>& keywords);

}  // namespace postern::imap

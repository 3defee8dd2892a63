// The search program of SEARCH (RFC 3501 6.4.4), parsed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "sidecars/imap/arguments.hpp"
#include "sidecars/imap/search_text.hpp"
#include "sidecars/imap/sequence_set.hpp"
#include "store/mailbox_snapshot.hpp"

namespace postern::imap {

/// One key, with the keys inside it.
struct SearchKey {
  enum class Kind : std::uint8_t {
    all,
    none,      ///< RECENT and NEW, which nothing is
    flag,      ///< `flags` bit set
    keyword,   ///< keyword `text` set
    messages,  ///< index in `set`
    larger,    ///< than `number` octets
    smaller,
    before,  ///< INTERNALDATE's day < `number` (days since 1970)
    on,
    since,
    sent_before,  ///< the Date field's day
    sent_on,
    sent_since,
    header,    ///< field `text` contains needle `needle`
    body,      ///< the body contains needle `needle`
    text,      ///< header or body contain needle `needle`
    negation,  ///< not children[0]
    both,      ///< all children
    either,    ///< any child
  };
  Kind kind = Kind::all;
  std::uint16_t flags = 0;
  std::int64_t number = 0;
  std::uint32_t needle = 0;
  std::string text;
  IndexSet set;
  std::vector<SearchKey> children;
};

/// A whole program.
struct SearchProgram {
  SearchKey root;
  std::vector<Needle> needles;
  std::size_t keys = 0;       ///< what one evaluation costs
  bool needs_body = false;    ///< some key looks into the body
  bool charset_known = true;  ///< false: NO [BADCHARSET]; nothing else is set
};

/// Reads the arguments behind the command's name. Sets are resolved in `snapshot`. `exchange`: the
/// charset and keywords of IMAP-33 and IMAP-34.
Result<SearchProgram> parse_search_program(Arguments& arguments,
                                           const store::MailboxSnapshot& snapshot, bool exchange);

}  // namespace postern::imap

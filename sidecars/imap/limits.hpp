// Every bound of the IMAP server that is not a setting, with its reason. What a deployment may want
// to change is in config::ImapSettings instead.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sidecars/common/mail_requests.hpp"

namespace postern::imap {

/// A session stops producing when this much waits in output().bytes and goes on at
/// on_output_sent(): with one read batch in flight it is what a slow reader of a 10 GB mailbox
/// costs.
inline constexpr std::size_t kOutputHighOctets = 256 * 1024;

/// Longest tag. Clients use 4 to 10 octets; the tag is echoed and kept while the command runs.
inline constexpr std::size_t kTagOctetsMax = 256;

/// Longest command line (with literals) before login, whatever the setting says: user name,
/// password and an ID fit many times over, and a stranger cannot make the server hold more.
inline constexpr std::size_t kAnonymousCommandOctetsMax = 8 * 1024;

/// Longest line inside AUTHENTICATE and IDLE. RFC 4422 section 4 lets a mechanism send more, PLAIN
/// needs three names of 255 octets in base64; 12 KiB also fits the tokens of the mechanisms still
/// to come.
inline constexpr std::size_t kContinuationLineOctetsMax = 12 * 1024;

/// Octets of a refused non-synchronising literal (or endless line) that are read and thrown away
/// before the connection is closed instead (RFC 7888 section 4 allows both). A little above the
/// largest mail a gateway accepts by default, so that an honest client gets its NO.
inline constexpr std::uint64_t kDiscardOctetsMax = 64ull << 20;

/// Consecutive commands answered BAD until the session is dropped. Before login a client has no
/// reason to guess; after it, a client with a bug should still be able to log out.
inline constexpr std::uint32_t kBadCommandsMaxAnonymous = 10;
inline constexpr std::uint32_t kBadCommandsMax = 50;

/// Ranges in one sequence set. A client that names 10,000 scattered messages sends about 60 KiB.
inline constexpr std::size_t kSequenceRangesMax = 16 * 1024;

/// Data items of one FETCH. The longest lists seen in the field have about ten.
inline constexpr std::size_t kFetchItemsMax = 64;

/// Part numbers in one section ("1.2.3"). Deeper than the MIME parser goes is never found anyway.
inline constexpr std::size_t kSectionDepthMax = 64;

/// Header field names in one FETCH, all its sections together. Thunderbird asks for about 15.
inline constexpr std::size_t kHeaderFieldNamesMax = 512;

/// Flags in one STORE: the five of the system and a mailbox's whole keyword table.
inline constexpr std::size_t kStoreFlagsMax = 128;

/// Longest keyword. The store keeps each name once a mailbox.
inline constexpr std::size_t kKeywordOctetsMax = 128;

/// Nesting of SEARCH keys by parentheses, NOT and OR. IMAP-35 asks for ten at least; the evaluator
/// recurses this deep.
inline constexpr std::size_t kSearchDepthMax = 32;

/// Search keys in one SEARCH. Each costs up to a comparison with every message.
inline constexpr std::size_t kSearchKeysMax = 1024;

/// Longest string a SEARCH looks for.
inline constexpr std::size_t kSearchTextOctetsMax = 4096;

/// Strings one SEARCH looks for. Each passes over every octet that is read.
inline constexpr std::size_t kSearchTextsMax = 64;

/// Fields of one header that SEARCH looks at.
inline constexpr std::size_t kSearchFieldsMax = 2000;

/// Key evaluations in one go; after that other sessions of the core get their turn. About 20 ms.
inline constexpr std::size_t kSearchStepsPerTurn = 1'000'000;

/// Mailbox names: IMAP-16. Counted in characters.
inline constexpr std::size_t kMailboxNameCharactersMax = 250;
inline constexpr std::size_t kMailboxLevelsMax = 31;

/// Longest LIST reference and pattern together, in octets as sent: a name of the longest kind in
/// modified UTF-7 (8 octets for 3 characters, at worst 5 for one) with wildcards.
inline constexpr std::size_t kListPatternOctetsMax = 2048;

/// ID parameters (RFC 2971 section 3.3: at most 30 pairs).
inline constexpr std::size_t kIdPairsMax = 30;

/// Octets of a body's beginning read when only its header is wanted: the headers of nearly all
/// mail.
inline constexpr std::uint64_t kHeaderReadOctets = 16 * 1024;

/// Most of a header that HEADER.FIELDS, ENVELOPE and SEARCH look at; what is behind it counts as
/// absent. Four times what the gateway accepts by default (SMTP-10).
inline constexpr std::uint64_t kHeaderOctetsMax = 1 << 20;

/// Addresses of one header field in ENVELOPE; the rest are left out. An address of two octets
/// becomes twenty on the wire: without a bound a hostile header would cost megabytes at each FETCH.
inline constexpr std::size_t kEnvelopeAddressesMax = 2000;

/// Message structures a session keeps for the next FETCH of the same message: clients fetch a large
/// attachment in pieces, and without it each piece would parse the message anew.
inline constexpr std::size_t kStructuresKept = 2;

/// Bodies in one read or \Seen batch: bounds the vectors behind a batch of very small messages.
inline constexpr std::size_t kBatchMessagesMax = 512;

/// Delay before a failed login is answered (IMAP-46): a guesser is slowed down, a typo is not
/// punished.
inline constexpr std::chrono::milliseconds kFailedLoginDelay{1000};

static_assert(kOutputHighOctets >= sidecars::kReadBatchOctets / 2);
static_assert(kHeaderReadOctets <= sidecars::kReadBatchOctets);
static_assert(kSearchDepthMax >= 10, "IMAP-35");

}  // namespace postern::imap

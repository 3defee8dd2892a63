// The nouns of the store, engine-neutral: no RocksDB type appears here or in any header that the
// gateway and the sidecars see.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postern::store {

/// Identifies an account for ever; never reused. 0 is no account.
enum class AccountId : std::uint64_t {};
/// Identifies a mailbox (folder) for ever, across renames; never reused. 0 is no mailbox.
enum class MailboxId : std::uint64_t {};
/// Identifies the octets of one message; increasing in the order of arrival, never reused. 0 is no
/// body.
enum class BodyId : std::uint64_t {};
/// IMAP unique identifier within a mailbox (RFC 3501 2.3.1.1): 1.., strictly ascending, never
/// reused.
using Uid = std::uint32_t;
/// Per-mailbox modification sequence (RFC 7162): 1.., increases with every change of the mailbox.
using ModSeq = std::uint64_t;
/// A position in the store's history, opaque but ordered: a view that has reached position p shows
/// every change that was acknowledged at or before p.
using StorePosition = std::uint64_t;

constexpr std::uint64_t raw(AccountId id) noexcept { return static_cast<std::uint64_t>(id); }
constexpr std::uint64_t raw(MailboxId id) noexcept { return static_cast<std::uint64_t>(id); }
constexpr std::uint64_t raw(BodyId id) noexcept { return static_cast<std::uint64_t>(id); }

/// System flags of a message (RFC 3501 2.3.2), a bit each.
enum class Flag : std::uint16_t {
  seen = 1 << 0,
  answered = 1 << 1,
  flagged = 1 << 2,
  deleted = 1 << 3,
  draft = 1 << 4,
};

/// A set of system flags and keywords. Keywords are bits into the mailbox's keyword table
/// (MailboxHead::keywords), so a message costs eight octets for them however long their names are.
struct FlagSet {
  std::uint16_t system = 0;    ///< Flag bits
  std::uint64_t keywords = 0;  ///< bit i: keyword i of the mailbox's table
  bool has(Flag flag) const noexcept { return (system & static_cast<std::uint16_t>(flag)) != 0; }
  void set(Flag flag) noexcept { system |= static_cast<std::uint16_t>(flag); }
  friend bool operator==(const FlagSet&, const FlagSet&) = default;
};

/// Most keywords one mailbox can know: a word of bits. Clients in the field use some ten. Not
/// configurable: it is part of the row format.
inline constexpr std::size_t kKeywordsPerMailboxMax = 64;

/// An inclusive range of UIDs; first <= last.
struct UidRange {
  Uid first = 0;
  Uid last = 0;
  friend bool operator==(const UidRange&, const UidRange&) = default;
};

/// One message as a mailbox shows it.
struct MessageEntry {
  Uid uid = 0;
  FlagSet flags;
  ModSeq modseq = 0;                  ///< of its last change
  BodyId body{};                      ///< where its octets are
  std::uint64_t size_octets = 0;      ///< RFC 822 size, exact: what RETR or BODY[] returns
  std::int64_t internal_date_ms = 0;  ///< IMAP INTERNALDATE, milliseconds since 1970 UTC
  friend bool operator==(const MessageEntry&, const MessageEntry&) = default;
};

/// A mailbox's counters, one consistent state.
struct MailboxHead {
  MailboxId id{};
  std::uint32_t uid_validity = 0;  ///< RFC 3501 2.3.1.1; fixed at creation
  Uid uid_next = 1;
  ModSeq highest_modseq = 0;
  std::uint32_t message_count = 0;
  std::uint32_t unseen_count = 0;
  std::uint64_t total_octets = 0;
  std::vector<std::string> keywords;  ///< table behind FlagSet::keywords, append-only, <= 64
  bool deleted = false;  ///< the mailbox is gone for good: last state before it is forgotten
  friend bool operator==(const MailboxHead&, const MailboxHead&) = default;
};

/// A folder as LIST shows it.
struct Folder {
  MailboxId id{};
  std::string name;  ///< UTF-8, hierarchy delimiter '/', "INBOX" in capitals
  bool subscribed = true;
  friend bool operator==(const Folder&, const Folder&) = default;
};

/// Octets of one stored body value. A message of n octets is ceil(n / this) values: large enough
/// that a 4 KiB mail is one value and a 50 MiB mail 400, small enough that a ranged read stays
/// cheap. Part of the body format: not configurable.
inline constexpr std::size_t kBodyChunkOctets = 128 * 1024;

}  // namespace postern::store

// Keys and records of what the sidecars read: the tailed column family `default` of mail/, and
// bodies/. Pure functions over octets: no RocksDB here. The gateway's own families are in
// schema_private.hpp.
//
// Rows of the tailed family are never overwritten: a new state is a new row whose key carries the
// complement of its modseq (or version), so the newest sorts first. THE FIRST ROW FOUND FOR A UID,
// A HEAD OR A FOLDER IS ITS STATE. Read with iterators only; Get on the tailed family is a defect,
// because a secondary may return an old value of an overwritten key (architecture.md, section 6).
//
//   'm' mailbox:be64 uid:be32 ~modseq:be64       MessageRow   state or expunge of a message
//   'l' mailbox:be64 modseq:be64 uid:be32        empty        change log: flags and expunges
//   'h' mailbox:be64 ~modseq:be64                MailboxHead  counters of a mailbox
//   'f' account:be64 mailbox:be64 ~version:be64  FolderRow    folder list of an account
//   'c' ~n:be64                                  empty        clock, written after each flush
//
//   bodies/: body:be64 chunk:be32                octets       kBodyChunkOctets or the rest
//
// Arrivals are not in the change log: they are the uids at or above the uid_next that a reader
// knows. Every record starts with a format octet; decoding is total: garbage gives an Error, never
// a crash.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/result.hpp"
#include "store/types.hpp"

namespace postern::store::schema {

/// The two databases' folders under the store's path.
inline constexpr std::string_view kMailFolder = "mail";
inline constexpr std::string_view kBodiesFolder = "bodies";

/// Longest folder name a record holds, in octets: 250 characters (IMAP-16) of up to 4 octets each.
inline constexpr std::size_t kFolderNameOctetsMax = 1000;
/// Longest keyword a head holds. Keywords are atoms of some ten octets; the bound keeps a head,
/// which is rewritten with every change of its mailbox, below 64 * 128 octets.
inline constexpr std::size_t kKeywordOctetsMax = 128;

/// First octet of every key in the tailed family.
enum class RowKind : char {
  message = 'm',
  change = 'l',
  head = 'h',
  folder = 'f',
  clock = 'c',
};

/// A key or key prefix of fixed length, on the stack.
template <std::size_t N>
struct FixedKey {
  std::array<char, N> octets{};
  constexpr operator std::string_view() const noexcept { return {octets.data(), N}; }
  constexpr std::string_view view() const noexcept { return {octets.data(), N}; }
  std::string string() const { return std::string(view()); }
  friend constexpr bool operator==(const FixedKey&, const FixedKey&) = default;
};

using MessageKey = FixedKey<21>;
using ChangeKey = FixedKey<21>;
using HeadKey = FixedKey<17>;
using FolderKey = FixedKey<25>;
using ClockKey = FixedKey<9>;
using BodyKey = FixedKey<12>;
/// Kind and 64-bit owner: what all rows of one mailbox (or of an account's folder list) start with.
using OwnerPrefix = FixedKey<9>;
/// What all versions of one message start with.
using UidPrefix = FixedKey<13>;

// --- building keys
// -------------------------------------------------------------------------------------

MessageKey message_key(MailboxId mailbox, Uid uid, ModSeq modseq) noexcept;
/// Start of all message rows of a mailbox, ascending by uid.
OwnerPrefix message_prefix(MailboxId mailbox) noexcept;
/// Start of all versions of `uid`, newest first. Seek here to begin at `uid`; to skip the older
/// versions of uid u, seek message_uid_prefix(mailbox, u + 1) (u < 2^32-1) or just step over them.
UidPrefix message_uid_prefix(MailboxId mailbox, Uid uid) noexcept;

ChangeKey change_key(MailboxId mailbox, ModSeq modseq, Uid uid) noexcept;
OwnerPrefix change_prefix(MailboxId mailbox) noexcept;
/// Where the changes with a modseq >= `from` begin. "What changed since m" is from = m + 1.
ChangeKey change_from(MailboxId mailbox, ModSeq from) noexcept;

HeadKey head_key(MailboxId mailbox, ModSeq modseq) noexcept;
/// Seek here: the first row that still starts with this prefix is the current head.
OwnerPrefix head_prefix(MailboxId mailbox) noexcept;

FolderKey folder_key(AccountId account, MailboxId mailbox, std::uint64_t version) noexcept;
/// Start of an account's folder rows, grouped by mailbox, newest version of each first.
OwnerPrefix folder_prefix(AccountId account) noexcept;

ClockKey clock_key(std::uint64_t tick) noexcept;

BodyKey body_key(BodyId body, std::uint32_t chunk) noexcept;

/// The smallest key that sorts behind every key starting with `prefix` (an exclusive upper bound
/// for an iterator). Empty when there is none (a prefix of 0xff octets only).
std::string prefix_end(std::string_view prefix);

// --- taking keys apart. ErrorCode::corrupted when length or kind are not right.
// ------------------------

struct MessageKeyParts {
  MailboxId mailbox{};
  Uid uid = 0;
  ModSeq modseq = 0;
};
Result<MessageKeyParts> parse_message_key(std::string_view key);

struct ChangeKeyParts {
  MailboxId mailbox{};
  ModSeq modseq = 0;
  Uid uid = 0;
};
Result<ChangeKeyParts> parse_change_key(std::string_view key);

struct HeadKeyParts {
  MailboxId mailbox{};
  ModSeq modseq = 0;
};
Result<HeadKeyParts> parse_head_key(std::string_view key);

struct FolderKeyParts {
  AccountId account{};
  MailboxId mailbox{};
  std::uint64_t version = 0;
};
Result<FolderKeyParts> parse_folder_key(std::string_view key);

/// The tick of a clock key.
Result<std::uint64_t> parse_clock_key(std::string_view key);

struct BodyKeyParts {
  BodyId body{};
  std::uint32_t chunk = 0;
};
Result<BodyKeyParts> parse_body_key(std::string_view key);

// --- records. Decoders: corrupted for garbage, unsupported for a format octet this build does not
// know. --

/// A message's state at one modseq.
struct MessageRow {
  enum class Kind : std::uint8_t { live = 1, expunged = 2 };
  Kind kind = Kind::live;
  // All zero when expunged.
  FlagSet flags;
  BodyId body{};
  std::uint64_t size_octets = 0;
  std::int64_t internal_date_ms = 0;
  friend bool operator==(const MessageRow&, const MessageRow&) = default;
};

/// Octets of an encoded live row; an expunged row has 2.
inline constexpr std::size_t kMessageRowOctets = 36;
using MessageRowOctets = FixedKey<kMessageRowOctets>;

std::string encode_message_row(const MessageRow& row);
/// The same for a live row, without an allocation.
MessageRowOctets encode_live_row(const FlagSet& flags, BodyId body, std::uint64_t size_octets,
                                 std::int64_t internal_date_ms) noexcept;
Result<MessageRow> decode_message_row(std::string_view record);
/// Key and record of a live row as one entry.
MessageEntry to_entry(const MessageKeyParts& key, const MessageRow& row) noexcept;

/// id and highest_modseq are not in the record: they are the key's.
std::string encode_head(const MailboxHead& head);
/// The same, behind what `out` already holds.
void append_head(std::string& out, const MailboxHead& head);
Result<MailboxHead> decode_head(const HeadKeyParts& key, std::string_view record);

/// One folder of an account at one version.
struct FolderRow {
  std::string name;  ///< as in Folder
  bool subscribed = true;
  bool deleted = false;  ///< the folder is gone; its name may be in use by another mailbox
  friend bool operator==(const FolderRow&, const FolderRow&) = default;
};
std::string encode_folder_row(const FolderRow& row);
Result<FolderRow> decode_folder_row(std::string_view record);

}  // namespace postern::store::schema

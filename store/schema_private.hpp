// Keys and records of the gateway's own column families in mail/: queue, directory, refs, meta.
// Nobody tails them: their rows may be overwritten and read with Get. Pure functions, no RocksDB.
//
//   queue      body:be64                 QueueEntry   one row per message that waits for the relay
//   refs       body:be64                 count:be32   rows (mailboxes + queue) that name the body
//   directory  'd' domain                format       a domain that is ours
//              'a' account:be64          Account      an account with its aliases
//   meta       'v'                       version:be32 of the whole store's format
//              'n'                       Counters     next ids
//              'b'                       body:be64    ids below it may have been given out
//              'w'                       body:be64    every body below is referenced or gone
//              'd' body:be64             chunks:be32  unreferenced body, to be deleted
//              'x' mailbox:be64          empty        deleted mailbox, to be emptied
//              'q' mailbox:be64          QuotaNote    what its owner was told about the quota
//              'r'                       group:be64 index:be32  redo_log.hpp: rows are written up
//              to it 'e' tick:be64 mailbox:be64 uid:be32    modseq:be64  expunge row, to be
//              collected
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "store/directory.hpp"
#include "store/engine.hpp"
#include "store/quota_note.hpp"
#include "store/schema.hpp"
#include "store/spool.hpp"

namespace postern::store::schema {

inline constexpr std::string_view kQueueFamily = "queue";
inline constexpr std::string_view kDirectoryFamily = "directory";
inline constexpr std::string_view kRefsFamily = "refs";
inline constexpr std::string_view kMetaFamily = "meta";

/// Version of the store as a whole. A store with a higher number is not opened. Raise it when an
/// older version would misread what a newer one wrote; new record formats have their own octet.
inline constexpr std::uint32_t kStoreFormat = 1;

/// Key of refs and queue rows.
using BodyIdKey = FixedKey<8>;
BodyIdKey body_id_key(BodyId body) noexcept;
Result<BodyId> parse_body_id_key(std::string_view key);

inline constexpr std::string_view kFormatKey = "v";
inline constexpr std::string_view kCountersKey = "n";
inline constexpr std::string_view kBodyCeilingKey = "b";
inline constexpr std::string_view kLowWaterKey = "w";
inline constexpr std::string_view kDoomedBodyPrefix = "d";
inline constexpr std::string_view kDoomedMailboxPrefix = "x";
using DoomedKey = FixedKey<9>;
DoomedKey doomed_body_key(BodyId body) noexcept;
DoomedKey doomed_mailbox_key(MailboxId mailbox) noexcept;
/// Expunge rows on the way to be collected, by the clock tick at which they were put here.
inline constexpr std::string_view kExpungedPrefix = "e";
using ExpungedKey = FixedKey<21>;
struct ExpungedKeyParts {
  std::uint64_t tick = 0;
  MailboxId mailbox{};
  Uid uid = 0;
};
ExpungedKey expunged_key(std::uint64_t tick, MailboxId mailbox, Uid uid) noexcept;
Result<ExpungedKeyParts> parse_expunged_key(std::string_view key);

/// What the owner of a mailbox was told about its quota.
inline constexpr std::string_view kQuotaNotePrefix = "q";
using QuotaNoteKey = FixedKey<9>;
QuotaNoteKey quota_note_key(MailboxId mailbox) noexcept;
Result<MailboxId> parse_quota_note_key(std::string_view key);
std::string encode_quota_note(const QuotaNote& note);
Result<QuotaNote> decode_quota_note(std::string_view record);

/// The id behind either prefix.
Result<std::uint64_t> parse_doomed_key(std::string_view key);

inline constexpr std::string_view kDomainPrefix = "d";
inline constexpr std::string_view kAccountPrefix = "a";
std::string domain_key(std::string_view domain);
FixedKey<9> account_key(AccountId account) noexcept;
Result<AccountId> parse_account_key(std::string_view key);

FixedKey<4> encode_u32(std::uint32_t value) noexcept;
FixedKey<8> encode_u64(std::uint64_t value) noexcept;
Result<std::uint32_t> decode_u32(std::string_view record);
Result<std::uint64_t> decode_u64(std::string_view record);

/// The next ids to give out; written whenever one is.
struct Counters {
  std::uint64_t account = 1;
  std::uint64_t mailbox = 1;
  std::uint64_t folder_version = 1;
  std::uint32_t uid_validity = 1;  ///< lowest value a new mailbox may get
  friend bool operator==(const Counters&, const Counters&) = default;
};
std::string encode_counters(const Counters& counters);
Result<Counters> decode_counters(std::string_view record);

/// The record of an account; its id is in the key.
std::string encode_account(const Account& account);
Result<Account> decode_account(AccountId id, std::string_view record);

/// Appends the queue row of `request` to `out`: the recipients without a mailbox here.
void append_queue_row(std::string& out, const SpoolRequest& request);
Result<QueueEntry> decode_queue_row(BodyId body, std::string_view record);

/// How many stored values a body of this size has; an empty body has one.
std::uint32_t chunk_count(std::uint64_t size_octets) noexcept;

}  // namespace postern::store::schema

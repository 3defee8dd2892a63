// The redo log of deliveries: what makes one fsync enough for a message.
//
// A group of messages is made durable by a single fsync of bodies/, and its batch holds, besides
// the octets, this record: everything the row stage needs to write their rows. The rows follow
// without an fsync of their own; what a power loss takes of them, the next start writes again from
// here, in the same order, so with the same uids. A key in mail/ (`kAppliedKey`), written with the
// rows themselves, says how far they got, so nothing is delivered twice.
//
//   bodies/ family `redo`   group:be64   RedoEntry...   one row a group, gone once its rows are
//   synced
//
// Why: with an fsync a stage, every message waited for two of them in a row, and on a journalled
// file system each waits for the other's journal commit as well. bench/smtp/run, 50 kept sessions
// on 2 CPUs: 6.7 times Postfix's rate with two, 8.1 times with one.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "store/schema.hpp"
#include "store/spool.hpp"

namespace postern::store::schema {

inline constexpr std::string_view kRedoFamily = "redo";

/// meta of mail/: an encoded GroupPosition; rows of everything before it are in the database.
inline constexpr std::string_view kAppliedKey = "r";

/// A place in the stream of body groups: the request `index` of the group `group`. Groups are
/// numbered from 1 for the life of a store.
struct GroupPosition {
  std::uint64_t group = 1;
  std::uint32_t index = 0;
  friend auto operator<=>(const GroupPosition&, const GroupPosition&) = default;
};
FixedKey<12> encode_group_position(GroupPosition position) noexcept;
Result<GroupPosition> decode_group_position(std::string_view record);

using RedoKey = FixedKey<8>;
RedoKey redo_key(std::uint64_t group) noexcept;
Result<std::uint64_t> parse_redo_key(std::string_view key);

/// A message as its group's redo record keeps it.
struct RedoEntry {
  std::uint32_t index = 0;  ///< its place among the group's requests
  SpoolRequest request;     ///< everything but its octets; `last` is set, body has its id
};

/// Appends one message to a group's record. request.body is set.
void append_redo_entry(std::string& record, std::uint32_t index, const SpoolRequest& request);
/// All entries of a record, in order. corrupted, unsupported: as all decoders.
Result<std::vector<std::unique_ptr<RedoEntry>>> decode_redo_record(std::string_view record);

}  // namespace postern::store::schema

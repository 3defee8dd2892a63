// Reads mailbox rows of the tailed family with iterators. Internal to the reader side.
//
// Every function is given a view that does not move during the call (ReaderView's gate), so the
// iterators it opens one after the other agree with each other. Get is not used on this family: see
// schema.hpp.
#pragma once

#include <optional>
#include <rocksdb/db.h>
#include <vector>

#include "runtime/result.hpp"
#include "store/mailbox_snapshot.hpp"
#include "store/snapshot_builder.hpp"
#include "store/types.hpp"

namespace postern::store {

/// The mailbox's current head. not_found: no such mailbox; corrupted; io.
Result<MailboxHead> read_head(rocksdb::DB& rows, MailboxId mailbox);

/// The account's folders, by name. An account without rows has none. corrupted; io.
Result<std::vector<Folder>> read_folders(rocksdb::DB& rows, AccountId account);

/// A snapshot as the rows have it, and what its messages add up to. snapshot->head() is the head
/// that was given, also when its counters say something else: compare totals.
struct SnapshotRead {
  MailboxSnapshotPtr snapshot;
  SnapshotTotals totals;
};

/// All messages below head.uid_next.
Result<SnapshotRead> read_snapshot(rocksdb::DB& rows, const MailboxHead& head);

/// The same from an older snapshot of the mailbox (same uid_validity, lower highest_modseq,
/// uid_next not above head's) and what changed since. nullopt: so much changed that read_snapshot()
/// costs less.
Result<std::optional<SnapshotRead>> read_snapshot_since(rocksdb::DB& rows, const MailboxHead& head,
                                                        const MailboxSnapshot& base);

}  // namespace postern::store

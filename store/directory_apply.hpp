// Directory changes as rows: in the private family `directory`, and in the tailed one what readers
// see of them (folder list, mailbox heads).
#pragma once

#include <cstdint>

#include "runtime/result.hpp"
#include "store/directory_change.hpp"
#include "store/directory_picture.hpp"
#include "store/row_batch.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

/// What a group's directory changes work on. The owner keeps `editor`'s picture and `counters` only
/// when the group became durable.
struct DirectoryStaging {
  Database& database;
  RowBatch& batch;
  DirectoryEditor& editor;
  schema::Counters& counters;
  std::vector<MailboxId>& removed_mailboxes;  ///< appended: their messages are to be removed
  std::int64_t now_unix_ms = 0;
};

/// Row thread. Stages one change; an error leaves no trace. The reply's position is 0: it is known
/// when the group is durable. An account must not be added and deleted in the same group (its
/// folders would not be found): the caller puts deletions into a group of their own.
Result<DirectoryReply> stage_directory_change(DirectoryStaging& staging,
                                              const DirectoryChange& change);

/// Reads the whole directory. At open.
Result<std::shared_ptr<const DirectoryPicture>> load_directory(Database& database);

}  // namespace postern::store

// What happens between opening the databases and taking mail.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/result.hpp"
#include "store/body_stage.hpp"
#include "store/database.hpp"
#include "store/directory_picture.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

/// Body ids are given out in memory and their ceiling is kept on disk, raised by this much at a
/// time: an id is never given out twice, whatever is deleted or lost. A million ids are written off
/// at each start, of 2^64.
inline constexpr std::uint64_t kBodyIdBlock = 1 << 20;

/// The state the stages start from.
struct Recovered {
  schema::Counters counters;
  BodyId next_body{1};
  BodyId ceiling{1};  ///< durable
  BodyId low_water{1};
  std::uint64_t clock_tick = 0;             ///< of the newest clock row
  std::vector<DoomedBody> doomed_bodies;    ///< still to be deleted
  std::vector<MailboxId> doomed_mailboxes;  ///< still to be emptied
  std::shared_ptr<const DirectoryPicture> directory;
  std::uint64_t next_group = 1;         ///< number of the next body group (redo_log.hpp)
  std::uint64_t messages_restored = 0;  ///< durable messages whose rows a crash had taken
  std::uint64_t bodies_removed = 0;     ///< bodies without rows that a crash had left
};

/// Checks the format version, writes rows again that a power loss took, removes bodies without
/// rows, loads what the stages need, writes the clock row. Errors: unsupported (newer format),
/// corrupted, io.
Result<Recovered> recover(Database& database);

}  // namespace postern::store

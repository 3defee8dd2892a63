// Start-up: rows that a crash or a power loss took are written again (redo_log.hpp).
#pragma once

#include "runtime/result.hpp"
#include "store/database.hpp"
#include "store/recovery.hpp"

namespace postern::store {

/// Delivers every message of the redo log whose rows are not in mail/, synced; sets next_group and
/// messages_restored. state.clock_tick and the mailboxes are as they were left. A message whose
/// octets are gone again was refused, and stays so; one whose mailbox is gone is dropped.
Result<void> replay_redo(Database& database, Recovered& state);

}  // namespace postern::store

// The writer's own look at mailboxes from beside the row thread, for upkeep (retention). Worker
// threads; reads one moment of the database, which goes on changing.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/result.hpp"
#include "store/database.hpp"
#include "store/engine.hpp"
#include "store/types.hpp"

namespace postern::store {

/// See Engine::list_mailboxes().
Result<std::vector<MailboxId>> scan_mailboxes(Database& database, AccountId account);

/// See Engine::find_older().
Result<OlderMessages> scan_older(Database& database, MailboxId mailbox, std::int64_t before_unix_ms,
                                 Uid from, const ScanLimits& limits);

}  // namespace postern::store

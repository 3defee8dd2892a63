// The writer's own look at mailboxes from beside the row thread, for upkeep (retention, quotas).
// Worker threads; reads one moment of the database, which goes on changing.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/result.hpp"
#include "store/database.hpp"
#include "store/directory.hpp"
#include "store/engine.hpp"
#include "store/types.hpp"

namespace postern::store {

/// See Engine::list_mailboxes().
Result<std::vector<MailboxId>> scan_mailboxes(Database& database, AccountId account);

/// See Engine::find_older().
Result<OlderMessages> scan_older(Database& database, MailboxId mailbox, std::int64_t before_unix_ms,
                                 Uid from, const ScanLimits& limits);

/// At open, before the row thread runs: what every mailbox holds, from the newest head rows, and
/// the quotas of all accounts. Reads one row or more a mailbox.
Result<void> load_quotas(Database& database, const Directory& directory, MailboxQuotas& quotas);

/// See Engine::list_quota_notes().
Result<std::vector<MailboxNote>> scan_quota_notes(Database& database);

}  // namespace postern::store

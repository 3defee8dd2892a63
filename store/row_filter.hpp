// Drops superseded row versions of the tailed family while RocksDB compacts, so that they cost
// neither a tombstone nor a write.
#pragma once

#include <memory>
#include <rocksdb/compaction_filter.h>

#include "store/view_horizon.hpp"

namespace postern::store {

/// Makes a filter for each compaction that starts when every view has seen what table files hold;
/// other compactions drop nothing. The newest version of a message, head, folder or the clock
/// always stays, an expunge too: see expunge_collector.hpp for those. `horizon` must outlive the
/// database.
std::shared_ptr<rocksdb::CompactionFilterFactory> make_row_filter_factory(ViewHorizon& horizon);

}  // namespace postern::store

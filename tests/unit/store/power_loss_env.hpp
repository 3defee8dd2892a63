// A file system for a process that will be killed: what its write-ahead logs were not told to sync
// is lost with it, as in a power loss.
#pragma once

#include <memory>
#include <rocksdb/env.h>

namespace postern::store::testing {

/// Holds back everything appended to a write-ahead log until it is synced.
std::unique_ptr<rocksdb::Env> power_loss_env();

}  // namespace postern::store::testing

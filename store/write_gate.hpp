// One database's way through a full disk: RocksDB stops itself on ENOSPC and must be told to go on.
#pragma once

#include <rocksdb/db.h>

#include "runtime/time.hpp"
#include "store/engine_health.hpp"

namespace postern::store {

/// Used by the one thread that writes the database.
class WriteGate {
 public:
  WriteGate(rocksdb::DB& db, EngineHealthState& health) : db_(db), health_(health) {}

  /// Every group write goes through here: refuses at once while the database is stopped, and
  /// remembers how it ended. Errors other than "busy" and "disk full" latch the health as failed.
  rocksdb::Status write(rocksdb::WriteBatch& batch, bool sync);

  /// fsyncs what was written without `sync`. Errors as above.
  rocksdb::Status sync();

  /// Call once a turn: when a full disk has room again, asks RocksDB to resume, at most once a
  /// second. Whether the database runs.
  bool try_resume(MonoTime now);

  /// The disk was full and RocksDB does not go on yet: every write is refused.
  bool stopped() const noexcept { return !stopped_.ok(); }

 private:
  rocksdb::Status judge(const rocksdb::Status& status);

  rocksdb::DB& db_;
  EngineHealthState& health_;
  rocksdb::Status stopped_;  // the NoSpace status it stopped with; ok while it runs
  MonoTime next_try_{};
};

}  // namespace postern::store

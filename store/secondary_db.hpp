// One RocksDB secondary instance, and an honest answer to whether it is fresh. Internal to the
// reader side.
//
// TryCatchUpWithPrimary() may say OK, and the sequence number may even be current, although rows
// are missing: a WAL or table file that the primary removed between two steps of the catch-up is
// passed over in silence (7.8.3: the PathNotFound branch of TryCatchUpWithPrimary; missing_files in
// VersionEditHandlerPointInTime). So the files that fail to open during a catch-up are counted
// here, and one that failed makes the catch-up incomplete: to be done again before anything is
// read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace postern::store {

struct SecondaryOptions {
  std::string path;          ///< the primary's folder
  std::string scratch_path;  ///< own folder, for RocksDB's LOG; created when missing
  std::size_t block_cache_octets = 0;
};

/// Owner: ReaderView. catch_up() alone with everything else, or beside reads that do not mind half
/// a batch.
class SecondaryDb {
 public:
  /// Opens and catches up. unavailable: no store there, or its files move too fast just now.
  static Result<std::unique_ptr<SecondaryDb>> open(const SecondaryOptions& options);
  ~SecondaryDb();
  SecondaryDb(const SecondaryDb&) = delete;
  SecondaryDb& operator=(const SecondaryDb&) = delete;

  /// One attempt to show everything that the primary had written when the call began. After an
  /// error the instance may show less than before; another attempt, or a new instance, puts it
  /// right.
  Result<void> catch_up();
  /// Sequence number of the newest write it has seen. It means something after a successful
  /// catch_up() only.
  std::uint64_t sequence() const { return db_->GetLatestSequenceNumber(); }
  rocksdb::DB& db() noexcept { return *db_; }

 private:
  class CountingFileSystem;
  SecondaryDb() = default;

  std::shared_ptr<CountingFileSystem> files_;
  std::unique_ptr<rocksdb::Env> env_;  // over files_; outlives db_
  std::unique_ptr<rocksdb::DB> db_;
};

/// A RocksDB status that is not ok, as an Error. `what`: what was being done, "reading mailbox 7".
Error read_error(const rocksdb::Status& status, std::string_view what);

}  // namespace postern::store

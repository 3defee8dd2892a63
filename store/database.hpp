// The two RocksDB databases of a store: how they are opened, and nothing else. Included by the
// engine's own files only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <string>
#include <string_view>

#include "runtime/result.hpp"
#include "store/spool.hpp"
#include "store/view_horizon.hpp"

namespace postern::store {

struct DatabaseOptions {
  std::string path;
  std::size_t row_memtable_octets = std::size_t{16} << 20;
  std::size_t body_memtable_octets = std::size_t{64} << 20;
  /// A flush of the tailed family is complete and visible to secondaries. Runs on a RocksDB thread,
  /// under its locks: may only set a flag and ring a bell. Must be callable until the Database is
  /// destroyed.
  std::function<void()> on_rows_flushed;
  /// Says what compaction may drop; must outlive the Database.
  ViewHorizon* horizon = nullptr;
  /// File system to use; nullptr: the real one. Tests inject faults here.
  rocksdb::Env* env = nullptr;
};

/// Both databases, open for writing. Destruction closes them and waits for their background work;
/// all iterators must be gone by then.
class Database {
 public:
  /// Opens or creates. unavailable: another process has it. unsupported: it has parts that this
  /// version does not know. io: anything else.
  static Result<std::unique_ptr<Database>> open(DatabaseOptions options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& mail() noexcept { return *mail_; }
  rocksdb::DB& bodies() noexcept { return *bodies_; }
  // Column families of mail().
  rocksdb::ColumnFamilyHandle* rows() noexcept { return families_[0]; }  ///< `default`, tailed
  rocksdb::ColumnFamilyHandle* queue() noexcept { return families_[1]; }
  rocksdb::ColumnFamilyHandle* directory() noexcept { return families_[2]; }
  rocksdb::ColumnFamilyHandle* refs() noexcept { return families_[3]; }
  rocksdb::ColumnFamilyHandle* meta() noexcept { return families_[4]; }
  // Of bodies(), besides the octets in `default`.
  rocksdb::ColumnFamilyHandle* redo() noexcept { return body_families_[1]; }  ///< redo_log.hpp

 private:
  Database() = default;
  Result<void> open_mail(const DatabaseOptions& options);
  Result<void> open_bodies(const DatabaseOptions& options);

  static constexpr std::size_t kFamilies = 5;
  std::unique_ptr<rocksdb::DB> mail_;
  std::unique_ptr<rocksdb::DB> bodies_;
  rocksdb::ColumnFamilyHandle* families_[kFamilies] = {};
  rocksdb::ColumnFamilyHandle* body_families_[2] = {};
};

inline rocksdb::Slice to_slice(std::string_view octets) noexcept {
  return {octets.data(), octets.size()};
}
inline std::string_view to_view(const rocksdb::Slice& octets) noexcept {
  return {octets.data(), octets.size()};
}

/// A status that is not ok, as an Error: `what` is what was being done.
Error to_error(const rocksdb::Status& status, std::string_view what);

/// What a refused group write means for the messages in it.
SpoolOutcome to_outcome(const rocksdb::Status& status) noexcept;

}  // namespace postern::store

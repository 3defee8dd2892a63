#include "store/database.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/assert.hpp"
#include "store/redo_log.hpp"
#include "store/row_filter.hpp"
#include "store/schema.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

namespace {

using rocksdb::ColumnFamilyDescriptor;
using rocksdb::ColumnFamilyOptions;
using rocksdb::DBOptions;
using rocksdb::Status;

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Blocks of mail/ that mutations and recovery read. Mailbox heads have their own cache in the row
// stage, so this only has to hold what one busy second of STORE and EXPUNGE touches.
constexpr std::size_t kMailBlockCacheOctets = 64 * kMiB;

// The writer reads no bodies; this serves start-up's scan of the last few thousand.
constexpr std::size_t kBodyBlockCacheOctets = 8 * kMiB;

constexpr std::size_t kPrivateMemtableOctets = 8 * kMiB;
constexpr std::size_t kSmallMemtableOctets = kMiB;
// Some 15,000 small messages: about what a memtable of their bodies holds.
constexpr std::size_t kRedoMemtableOctets = 2 * kMiB;

// A family that is hardly written (meta, directory) would keep old WALs alive, and secondaries list
// and read them at start-up: beyond this RocksDB flushes whoever holds the oldest one.
constexpr std::uint64_t kMailWalOctetsMax = 128 * kMiB;
// The same for bodies/, where the redo family fills slowly when messages are large.
constexpr std::uint64_t kBodiesWalOctetsMax = 256 * kMiB;

/// Tells the row stage that the tailed family was flushed, and compaction what it holds.
class FlushListener final : public rocksdb::EventListener {
 public:
  FlushListener(std::function<void()> on_rows_flushed, ViewHorizon& horizon)
      : on_rows_flushed_(std::move(on_rows_flushed)), horizon_(horizon) {}
  void OnFlushBegin(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override {
    // What is flushed now was sealed before, so it is older than this.
    if (info.cf_name == rocksdb::kDefaultColumnFamilyName) {
      horizon_.set_flushing(db->GetLatestSequenceNumber());
    }
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
    if (info.cf_name == rocksdb::kDefaultColumnFamilyName) on_rows_flushed_();
  }

 private:
  std::function<void()> on_rows_flushed_;
  ViewHorizon& horizon_;
};

/// What both databases share.
DBOptions common_options(const DatabaseOptions& options) {
  DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  if (options.env != nullptr) db.env = options.env;
  // A secondary reads deleted files through descriptors it opened eagerly; the writer keeps the
  // same habit so that no read opens a file.
  db.max_open_files = -1;
  // One flush and one compaction at a time: the machine's cores belong to the protocols.
  db.max_background_jobs = 2;
  // One thread writes each database: the plain memtable insert is cheaper than the concurrent one,
  // and for ascending keys it remembers where it was.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  db.enable_pipelined_write = false;  // helps only with two writers or more
  // The WAL must be readable by tailing secondaries as it stands: no user-space buffering, no
  // compression, no recycling, no tracking in the manifest (facts: 7.8.3 gets each of these wrong
  // with secondaries).
  db.manual_wal_flush = false;
  db.recycle_log_file_num = 0;
  db.wal_compression = rocksdb::kNoCompression;
  db.track_and_verify_wals_in_manifest = false;
  // After a power loss the unsynced tail of a WAL may be anything: take what is whole, drop the
  // rest. Whatever was acknowledged lies in front of it.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Writes a table file back as it is written: else its dirty pages pile up and the next WAL
  // fdatasync pays for them.
  db.bytes_per_sync = kMiB;
  db.strict_bytes_per_sync = false;
  // No statistics object, no periodic dumps: they cost CPU per operation and wake an idle server.
  db.statistics = nullptr;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.keep_log_file_num = 4;
  db.max_log_file_size = 8 * kMiB;
  return db;
}

/// Rows smaller than a hundred octets, read by short scans.
ColumnFamilyOptions row_family(std::size_t memtable_octets,
                               const std::shared_ptr<rocksdb::Cache>& cache) {
  ColumnFamilyOptions cf;
  cf.write_buffer_size = memtable_octets;
  // Room for a burst while a flush runs; no_slowdown answers busy beyond it.
  cf.max_write_buffer_number = 6;
  cf.max_write_buffer_size_to_maintain = 0;
  cf.compression = rocksdb::kNoCompression;
  // Cold rows (most of a mail archive) compress to a third; what is fresh is not worth the CPU.
  cf.bottommost_compression = rocksdb::kLZ4Compression;
  // Few, large files: a secondary's catch-up grows with their number.
  cf.target_file_size_base = 64 * kMiB;
  cf.max_bytes_for_level_base = 256 * kMiB;
  // Ranges full of removed versions are compacted even when their level is not full.
  cf.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(4096, 2048));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 * 1024;
  cf.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return cf;
}

/// Small records found by their whole key.
ColumnFamilyOptions point_family(std::size_t memtable_octets,
                                 const std::shared_ptr<rocksdb::Cache>& cache) {
  ColumnFamilyOptions cf = row_family(memtable_octets, cache);
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 4 * 1024;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  cf.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return cf;
}

/// Message octets: written once in key order, read rarely, deleted some day.
ColumnFamilyOptions body_family(std::size_t memtable_octets) {
  ColumnFamilyOptions cf;
  cf.write_buffer_size = memtable_octets;
  cf.max_write_buffer_number = 6;
  // Mail is mostly base64 and already compressed attachments; the CPU is worth more than the disk.
  // One setting on all levels, so that files move down without being rewritten.
  cf.compression = rocksdb::kNoCompression;
  cf.bottommost_compression = rocksdb::kDisableCompressionOption;
  cf.target_file_size_base = 256 * kMiB;
  cf.max_bytes_for_level_base = 4096 * kMiB;
  cf.level0_file_num_compaction_trigger = 4;
  // Old files hold old mail and nothing else: do not rewrite them for their age.
  cf.ttl = 0;
  cf.periodic_compaction_seconds = 0;
  cf.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(1024, 512, 0.5));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBodyBlockCacheOctets);
  // A block holds a few typical mails; a larger value gets a block of its own.
  table.block_size = 16 * 1024;
  cf.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return cf;
}

/// Redo records: written once, never read while the process lives, removed in ranges after some
/// hundred groups. A flush drops nearly all of them.
ColumnFamilyOptions redo_family() {
  ColumnFamilyOptions cf;
  cf.write_buffer_size = kRedoMemtableOctets;
  cf.max_write_buffer_number = 6;
  cf.compression = rocksdb::kNoCompression;
  return cf;
}

Error open_error(const Status& status, const std::string& path) {
  const std::string text = status.ToString();
  if (text.find("lock file") != std::string::npos || text.find("lock hold") != std::string::npos) {
    return Error{ErrorCode::unavailable,
                 fmt::format("the store {} is in use by another process: {}", path, text)};
  }
  return to_error(status, fmt::format("cannot open the store {}", path));
}

}  // namespace

Error to_error(const Status& status, std::string_view what) {
  ErrorCode code = ErrorCode::io;
  if (status.IsIncomplete() || status.IsBusy() || status.IsTryAgain())
    code = ErrorCode::unavailable;
  if (status.IsCorruption()) code = ErrorCode::corrupted;
  if (status.IsNoSpace()) code = ErrorCode::exhausted;
  if (status.IsNotFound()) code = ErrorCode::not_found;
  return Error{code, fmt::format("{}: {}", what, status.ToString())};
}

SpoolOutcome to_outcome(const Status& status) noexcept {
  if (status.ok()) return SpoolOutcome::durable;
  if (status.IsIncomplete()) return SpoolOutcome::store_busy;
  if (status.IsNoSpace()) return SpoolOutcome::no_space;
  return SpoolOutcome::failed;
}

Result<std::unique_ptr<Database>> Database::open(DatabaseOptions options) {
  POSTERN_ASSERT(options.horizon != nullptr && options.on_rows_flushed);
  for (const std::string_view folder :
       {std::string_view{}, schema::kMailFolder, schema::kBodiesFolder}) {
    std::error_code error;
    const std::filesystem::path path = std::filesystem::path(options.path) / folder;
    std::filesystem::create_directory(path, error);
    if (error) {
      return fail(ErrorCode::io,
                  fmt::format("cannot create {}: {}", path.string(), error.message()));
    }
  }
  std::unique_ptr<Database> database(new Database());
  // mail/ first: its lock and its format decide whether bodies/ is touched at all.
  if (auto opened = database->open_mail(options); !opened) return std::unexpected(opened.error());
  if (auto opened = database->open_bodies(options); !opened) return std::unexpected(opened.error());
  return database;
}

Result<void> Database::open_mail(const DatabaseOptions& options) {
  const std::string path = (std::filesystem::path(options.path) / schema::kMailFolder).string();
  DBOptions db = common_options(options);
  db.max_total_wal_size = kMailWalOctetsMax;
  db.listeners.push_back(
      std::make_shared<FlushListener>(options.on_rows_flushed, *options.horizon));

  const auto cache = rocksdb::NewLRUCache(kMailBlockCacheOctets);
  ColumnFamilyOptions rows = row_family(options.row_memtable_octets, cache);
  rows.compaction_filter_factory = make_row_filter_factory(*options.horizon);
  const std::vector<ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, rows},
      {std::string(schema::kQueueFamily), row_family(kPrivateMemtableOctets, cache)},
      {std::string(schema::kDirectoryFamily), point_family(kSmallMemtableOctets, cache)},
      {std::string(schema::kRefsFamily), point_family(kPrivateMemtableOctets, cache)},
      {std::string(schema::kMetaFamily), point_family(kSmallMemtableOctets, cache)},
  };
  std::vector<std::string> present;
  if (rocksdb::DB::ListColumnFamilies(db, path, &present).ok()) {
    for (const std::string& name : present) {
      if (std::ranges::any_of(families, [&](const auto& known) { return known.name == name; }))
        continue;
      return fail(
          ErrorCode::unsupported,
          fmt::format("the store {} was written by a newer version of this program (it has a "
                      "column family '{}'); use that version",
                      path, name));
    }
  }
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const Status status = rocksdb::DB::Open(db, path, families, &handles, &opened);
  if (!status.ok()) return std::unexpected(open_error(status, path));
  mail_.reset(opened);
  std::ranges::copy(handles, families_);
  return {};
}

Result<void> Database::open_bodies(const DatabaseOptions& options) {
  const std::string path = (std::filesystem::path(options.path) / schema::kBodiesFolder).string();
  const std::vector<ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, body_family(options.body_memtable_octets)},
      {std::string(schema::kRedoFamily), redo_family()},
  };
  rocksdb::DB* opened = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  DBOptions db = common_options(options);
  db.max_total_wal_size = kBodiesWalOctetsMax;
  const Status status = rocksdb::DB::Open(db, path, families, &handles, &opened);
  if (!status.ok()) return std::unexpected(open_error(status, path));
  bodies_.reset(opened);
  std::ranges::copy(handles, body_families_);
  return {};
}

Database::~Database() {
  if (mail_ != nullptr) {
    for (rocksdb::ColumnFamilyHandle* family : families_) mail_->DestroyColumnFamilyHandle(family);
  }
  if (bodies_ != nullptr) {
    for (rocksdb::ColumnFamilyHandle* family : body_families_) {
      bodies_->DestroyColumnFamilyHandle(family);
    }
  }
}

}  // namespace postern::store

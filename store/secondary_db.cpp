#include "store/secondary_db.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <thread>
#include <utility>
#include <vector>

namespace postern::store {

namespace {

/// Catch-ups at open before giving up: each one loses only against a primary that removes a file in
/// just that moment.
constexpr int kOpenAttempts = 20;
constexpr std::chrono::milliseconds kOpenPause{5};

rocksdb::Options secondary_options(const SecondaryOptions& options, rocksdb::Env* env) {
  rocksdb::Options db;
  db.env = env;
  // Opens every table file at once and reads on through the descriptor when the primary removes it.
  db.max_open_files = -1;
  // Each catch-up starts as many threads as this says (16 by default) whether or not there is a
  // file to open: 3 ms instead of 0.1.
  db.max_file_opening_threads = 1;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;  // one line for each catch-up otherwise
  db.max_log_file_size = std::size_t{1} << 20;
  db.keep_log_file_num = 2;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.max_background_jobs = 2;  // a secondary runs none
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_octets);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));  // used where the primary wrote one
  db.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return db;
}

}  // namespace

Error read_error(const rocksdb::Status& status, std::string_view what) {
  ErrorCode code = ErrorCode::io;
  if (status.IsTryAgain() || status.IsBusy() || status.IsPathNotFound())
    code = ErrorCode::unavailable;
  if (status.IsCorruption()) code = ErrorCode::corrupted;
  if (status.IsNotSupported()) code = ErrorCode::unsupported;
  return Error{code, fmt::format("{}: {}", what, status.ToString())};
}

/// Counts files that could not be opened or looked at.
class SecondaryDb::CountingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "PosternCountingFileSystem"; }

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override {
    return counted(target()->NewSequentialFile(name, options, file, debug));
  }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override {
    return counted(target()->NewRandomAccessFile(name, options, file, debug));
  }
  rocksdb::IOStatus GetFileSize(const std::string& name, const rocksdb::IOOptions& options,
                                std::uint64_t* size, rocksdb::IODebugContext* debug) override {
    return counted(target()->GetFileSize(name, options, size, debug));
  }

  std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }

 private:
  rocksdb::IOStatus counted(rocksdb::IOStatus status) {
    if (!status.ok()) failures_.fetch_add(1, std::memory_order_relaxed);
    return status;
  }
  std::atomic<std::uint64_t> failures_ = 0;
};

Result<std::unique_ptr<SecondaryDb>> SecondaryDb::open(const SecondaryOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.scratch_path, error);
  if (error) {
    return fail(ErrorCode::io,
                fmt::format("cannot create {}: {}", options.scratch_path, error.message()));
  }
  std::unique_ptr<SecondaryDb> secondary(new SecondaryDb());
  secondary->files_ = std::make_shared<CountingFileSystem>(rocksdb::FileSystem::Default());
  secondary->env_ = rocksdb::NewCompositeEnv(secondary->files_);
  const rocksdb::Options db_options = secondary_options(options, secondary->env_.get());
  Error last;
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kOpenPause);
    if (secondary->db_ == nullptr) {
      rocksdb::DB* db = nullptr;
      const rocksdb::Status status =
          rocksdb::DB::OpenAsSecondary(db_options, options.path, options.scratch_path, &db);
      if (!status.ok()) {
        last =
            read_error(status, fmt::format("cannot open the store {} for reading", options.path));
        continue;
      }
      secondary->db_.reset(db);
    }
    if (Result<void> caught_up = secondary->catch_up(); caught_up)
      return secondary;
    else
      last = std::move(caught_up.error());
  }
  return std::unexpected(std::move(last));
}

SecondaryDb::~SecondaryDb() = default;

Result<void> SecondaryDb::catch_up() {
  const std::uint64_t before = files_->failures();
  const rocksdb::Status status = db_->TryCatchUpWithPrimary();
  if (!status.ok()) return std::unexpected(read_error(status, "following the store"));
  if (files_->failures() != before) {
    return fail(ErrorCode::unavailable, "following the store: a file was removed on the way");
  }
  return {};
}

}  // namespace postern::store

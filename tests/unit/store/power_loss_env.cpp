#include "tests/unit/store/power_loss_env.hpp"

#include <rocksdb/file_system.h>
#include <string>
#include <utility>

namespace postern::store::testing {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class HeldBackLog final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit HeldBackLog(std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
    held_.append(data.data(), data.size());
    return IOStatus::OK();
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus written = let_go(options, debug);
    return written.ok() ? FSWritableFileOwnerWrapper::Sync(options, debug) : written;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus written = let_go(options, debug);
    return written.ok() ? FSWritableFileOwnerWrapper::Fsync(options, debug) : written;
  }
  // close(2) promises nothing either.
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    held_.clear();
    return FSWritableFileOwnerWrapper::Close(options, debug);
  }
  std::uint64_t GetFileSize(const IOOptions& options, IODebugContext* debug) override {
    return FSWritableFileOwnerWrapper::GetFileSize(options, debug) + held_.size();
  }

 private:
  IOStatus let_go(const IOOptions& options, IODebugContext* debug) {
    const std::string held = std::exchange(held_, {});
    return FSWritableFileOwnerWrapper::Append(held, options, debug);
  }

  std::string held_;
};

class PowerLossFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  PowerLossFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "PowerLossFileSystem"; }
  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, result, debug);
    if (status.ok() && name.ends_with(".log")) {
      *result = std::make_unique<HeldBackLog>(std::move(*result));
    }
    return status;
  }
};

}  // namespace

std::unique_ptr<rocksdb::Env> power_loss_env() {
  return rocksdb::NewCompositeEnv(std::make_shared<PowerLossFileSystem>());
}

}  // namespace postern::store::testing

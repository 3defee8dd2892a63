// Messages that were refused because mail/ had no room: the next start must not find them, whatever
// happens in between, and what was accepted behind them keeps its uid.
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <string>
#include <thread>

#include "tests/unit/store/engine_harness.hpp"
#include "tests/unit/store/power_loss_env.hpp"

namespace postern::store::testing {
namespace {

using rocksdb::IOStatus;

/// What the machine is like.
struct Machine {
  enum class Full { nothing, log, everything };
  std::atomic<Full> mail{Full::nothing};  ///< which files of mail/ have no room
  std::atomic<bool> off{false};           ///< the power is gone: nothing reaches the disk any more
};
using Full = Machine::Full;

class WatchedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WatchedFile(std::unique_ptr<rocksdb::FSWritableFile> file, const Machine& machine,
              const std::string& name)
      : FSWritableFileOwnerWrapper(std::move(file)),
        machine_(machine),
        log_(name.ends_with(".log")),
        may_be_full_(name.find("/mail/") != std::string::npos && (log_ || name.ends_with(".sst"))) {
  }
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  rocksdb::IODebugContext* debug) override {
    if (machine_.off) return IOStatus::OK();
    const Full full = may_be_full_ ? machine_.mail.load() : Full::nothing;
    if (full == Full::everything || (full == Full::log && log_)) {
      return IOStatus::NoSpace("injected");
    }
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    return machine_.off ? IOStatus::OK() : FSWritableFileOwnerWrapper::Sync(options, debug);
  }
  IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    return machine_.off ? IOStatus::OK() : FSWritableFileOwnerWrapper::Fsync(options, debug);
  }

 private:
  const Machine& machine_;
  const bool log_;
  const bool may_be_full_;
};

/// Logs lose what was not synced (power_loss_env.hpp), and mail/ may be full.
class WatchedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  WatchedFileSystem(std::shared_ptr<rocksdb::FileSystem> base, const Machine& machine)
      : FileSystemWrapper(std::move(base)), machine_(machine) {}
  const char* Name() const override { return "WatchedFileSystem"; }
  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           rocksdb::IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, result, debug);
    if (status.ok()) *result = std::make_unique<WatchedFile>(std::move(*result), machine_, name);
    return status;
  }

 private:
  const Machine& machine_;
};

class EngineRefusal : public ::testing::Test {
 protected:
  void SetUp() override {
    // Nothing but a refusal or an answer syncs rows while a test runs.
    const EngineOptions options{.rows_sync_after = std::chrono::hours(1)};
    store_ = std::make_unique<EngineUnderTest>(dir_.path(), options, env_.get());
    inbox_ = store_->add_user("ann@example.net");
    ASSERT_EQ(store_->deliver({inbox_}, "before"), SpoolOutcome::durable);
  }
  /// Delivers until it works; the text of the message that was taken.
  std::string deliver_until_taken() {
    for (int i = 0; i < 100; ++i) {
      const std::string text = "kept " + std::to_string(i);
      if (store_->deliver({inbox_}, text) == SpoolOutcome::durable) return text;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return "nothing was taken";
  }
  /// What the next start finds when the power fails now.
  StoreContents after_power_loss() {
    machine_.off = true;
    store_->close();
    {
      EngineUnderTest again(dir_.path());
    }
    StoreContents contents = read_store(dir_.path());
    expect_consistent(contents);
    return contents;
  }
  /// Ann's messages by uid.
  std::map<Uid, std::string> messages_in(const StoreContents& contents) {
    std::map<Uid, std::string> texts;
    for (const auto& [uid, message] : contents.mailboxes.at(inbox_).messages) {
      texts[uid] = contents.bodies.at(message.body);
    }
    return texts;
  }

  using Messages = std::map<Uid, std::string>;
  TempDir dir_;
  Machine machine_;
  std::unique_ptr<rocksdb::Env> lossy_ = power_loss_env();
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(
      std::make_shared<WatchedFileSystem>(lossy_->GetFileSystem(), machine_));
  std::unique_ptr<EngineUnderTest> store_;
  MailboxId inbox_{};
};

TEST_F(EngineRefusal, APowerLossDoesNotBringItBackInFrontOfWhatWasAccepted) {
  machine_.mail = Full::log;
  EXPECT_EQ(store_->deliver({inbox_}, "refused"), SpoolOutcome::no_space);
  machine_.mail = Full::nothing;
  const std::string kept = deliver_until_taken();
  EXPECT_EQ(messages_in(after_power_loss()), (Messages{{1, "before"}, {2, kept}}));
}

TEST_F(EngineRefusal, AnAnswerToAChangeSettlesItToo) {
  machine_.mail = Full::log;
  EXPECT_EQ(store_->deliver({inbox_}, "refused"), SpoolOutcome::no_space);
  machine_.mail = Full::nothing;
  Result<DirectoryReply> added = fail(ErrorCode::exhausted, "not tried yet");
  for (int i = 0; i < 100 && !added; ++i) {
    added = store_->apply(AddUser{.name = "bob@example.net"});
    if (!added) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ASSERT_TRUE(added.has_value());
  EXPECT_EQ(messages_in(after_power_loss()), (Messages{{1, "before"}}));
}

TEST_F(EngineRefusal, WithoutTrafficItIsSettledAfterAWhile) {
  store_->close();
  const EngineOptions options{.rows_sync_after = std::chrono::milliseconds(50)};
  store_ = std::make_unique<EngineUnderTest>(dir_.path(), options, env_.get());
  machine_.mail = Full::log;
  EXPECT_EQ(store_->deliver({inbox_}, "refused"), SpoolOutcome::no_space);
  machine_.mail = Full::nothing;
  const auto written = [this] {
    const StageStats rows = store_->engine().stats().rows;
    return rows.groups - rows.errors;
  };
  const auto before = written();
  for (int i = 0; i < 100 && written() == before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_GT(written(), before);
  EXPECT_EQ(messages_in(after_power_loss()), (Messages{{1, "before"}}));
}

// Each such body would stay until the next start, and every retry would leave another.
TEST_F(EngineRefusal, NoBodiesAreWrittenWhileRowsHaveNoRoom) {
  machine_.mail = Full::everything;
  EXPECT_EQ(store_->deliver({inbox_}, "refused"), SpoolOutcome::no_space);
  const auto octets = store_->engine().stats().bodies.octets;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(store_->deliver({inbox_}, "refused again"), SpoolOutcome::no_space);
  }
  EXPECT_EQ(store_->engine().stats().bodies.octets, octets);
  machine_.mail = Full::nothing;
  const std::string kept = deliver_until_taken();
  EXPECT_EQ(messages_in(after_power_loss()), (Messages{{1, "before"}, {2, kept}}));
}

}  // namespace
}  // namespace postern::store::testing

// When the file system fails: what is answered, and what is there afterwards.
#include <filesystem>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <thread>

#include "store/database.hpp"
#include "store/schema_private.hpp"
#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

using rocksdb::IOStatus;

/// What the next operations on write-ahead logs do.
struct Faults {
  enum class Kind { none, no_space_append, io_error_sync };
  std::atomic<bool> mail_flush_stuck{false};
  std::atomic<bool> bodies_flush_stuck{false};
  std::atomic<Kind> mail{Kind::none};
  std::atomic<Kind> bodies{Kind::none};
  std::atomic<Kind>& of(const std::string& path) {
    return path.find("/mail/") != std::string::npos ? mail : bodies;
  }
  std::atomic<bool>& flush_stuck(const std::string& path) {
    return path.find("/mail/") != std::string::npos ? mail_flush_stuck : bodies_flush_stuck;
  }
};

class FaultyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::atomic<Faults::Kind>& fault)
      : FSWritableFileOwnerWrapper(std::move(file)), fault_(fault) {}
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  rocksdb::IODebugContext* debug) override {
    if (fault_ == Faults::Kind::no_space_append) return IOStatus::NoSpace("injected");
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    if (fault_ == Faults::Kind::io_error_sync) return IOStatus::IOError("injected");
    return FSWritableFileOwnerWrapper::Sync(options, debug);
  }

 private:
  std::atomic<Faults::Kind>& fault_;
};

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyFileSystem(Faults& faults)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), faults_(faults) {}
  const char* Name() const override { return "FaultyFileSystem"; }
  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           rocksdb::IODebugContext* debug) override {
    // A disk so slow that a flush does not end: memtables fill up behind it.
    while (name.ends_with(".sst") && faults_.flush_stuck(name)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, result, debug);
    if (status.ok() && name.ends_with(".log")) {
      *result = std::make_unique<FaultyFile>(std::move(*result), faults_.of(name));
    }
    return status;
  }

 private:
  Faults& faults_;
};

class EngineFault : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = std::make_unique<EngineUnderTest>(dir_.path(), EngineOptions{}, env_.get());
    inbox_ = store_->add_user("ann@example.net");
    ASSERT_EQ(store_->deliver({inbox_}, "before"), SpoolOutcome::durable);
  }
  /// Delivers until it works again.
  bool recovers() {
    for (int i = 0; i < 100; ++i) {
      if (store_->deliver({inbox_}, "after") == SpoolOutcome::durable) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }
  /// Reopens with a healthy file system and looks.
  StoreContents reopen_and_read() {
    store_->close();
    {
      EngineUnderTest again(dir_.path());
    }
    StoreContents contents = read_store(dir_.path());
    expect_consistent(contents);
    return contents;
  }

  TempDir dir_;
  Faults faults_;
  std::unique_ptr<rocksdb::Env> env_ =
      rocksdb::NewCompositeEnv(std::make_shared<FaultyFileSystem>(faults_));
  std::unique_ptr<EngineUnderTest> store_;
  MailboxId inbox_{};
};

TEST_F(EngineFault, FullDiskUnderBodiesPasses) {
  faults_.bodies = Faults::Kind::no_space_append;
  EXPECT_EQ(store_->deliver({inbox_}, "during"), SpoolOutcome::no_space);
  EXPECT_EQ(store_->deliver({inbox_}, "during"), SpoolOutcome::no_space);
  EXPECT_NE(store_->engine().health(), EngineHealth::failed);
  faults_.bodies = Faults::Kind::none;
  EXPECT_TRUE(recovers());
  const StoreContents contents = reopen_and_read();
  EXPECT_EQ(contents.mailboxes.at(inbox_).messages.size(), 2u);
  EXPECT_EQ(contents.bodies.size(), 2u);
}

TEST_F(EngineFault, FullDiskUnderRowsPasses) {
  faults_.mail = Faults::Kind::no_space_append;
  EXPECT_EQ(store_->deliver({inbox_}, "during"), SpoolOutcome::no_space);
  const auto refused =
      store_->apply(Expunge{.mailbox = inbox_, .uids = {{1, 1}}, .only_deleted = false});
  EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
  EXPECT_EQ(store_->apply(AddUser{.name = "bob@example.net"}).error().code, ErrorCode::exhausted);
  EXPECT_EQ(store_->engine().directory()->route("bob", "example.net").kind,
            Route::Kind::unknown_user);
  faults_.mail = Faults::Kind::none;
  EXPECT_TRUE(recovers());
  EXPECT_TRUE(store_->apply(AddUser{.name = "bob@example.net"}).has_value());
  const StoreContents contents = reopen_and_read();
  const auto& mailbox = contents.mailboxes.at(inbox_);
  EXPECT_EQ(mailbox.messages.size(), 2u);
  EXPECT_EQ(mailbox.messages.rbegin()->first, 2u) << "the refused one used no uid";
}

TEST_F(EngineFault, StalledBodiesAreBusyAndPass) {
  store_->close();
  store_ = std::make_unique<EngineUnderTest>(
      dir_.path(), EngineOptions{.body_memtable_octets = 64 * 1024}, env_.get());
  faults_.bodies_flush_stuck = true;
  std::size_t durable = 1;  // "before"
  SpoolOutcome outcome = SpoolOutcome::durable;
  for (int i = 0; i < 2000 && outcome == SpoolOutcome::durable; ++i) {
    outcome = store_->deliver({inbox_}, std::string(10'000, 'x'));
    durable += outcome == SpoolOutcome::durable;
  }
  EXPECT_EQ(outcome, SpoolOutcome::store_busy);
  EXPECT_GT(store_->engine().stats().bodies.stalls, 0u);
  EXPECT_EQ(store_->engine().health(), EngineHealth::ok);
  faults_.bodies_flush_stuck = false;
  EXPECT_TRUE(recovers());
  const StoreContents contents = reopen_and_read();
  EXPECT_EQ(contents.mailboxes.at(inbox_).messages.size(), durable + 1);
  EXPECT_EQ(contents.bodies.size(), durable + 1);
}

TEST_F(EngineFault, StalledRowsAreBusyAndPass) {
  store_->close();
  store_ = std::make_unique<EngineUnderTest>(
      dir_.path(), EngineOptions{.row_memtable_octets = 64 * 1024}, env_.get());
  std::vector<MailboxId> inboxes;
  for (int i = 0; i < 100; ++i) {
    inboxes.push_back(store_->add_user("u" + std::to_string(i) + "@example.net"));
  }
  faults_.mail_flush_stuck = true;
  std::size_t durable = 0;
  SpoolOutcome outcome = SpoolOutcome::durable;
  for (int i = 0; i < 2000 && outcome == SpoolOutcome::durable; ++i) {
    outcome = store_->deliver(inboxes, "message " + std::to_string(i));
    durable += outcome == SpoolOutcome::durable;
  }
  EXPECT_EQ(outcome, SpoolOutcome::store_busy);
  // RocksDB slows down before it stops, and lets small writes pass meanwhile: until it stops.
  Result<MutationReply> mutation;
  for (int i = 0; i < 5000 && mutation; ++i) {
    durable += store_->deliver(inboxes, "more") == SpoolOutcome::durable;
    mutation = store_->apply(
        StoreFlags{.mailbox = inbox_,
                   .uids = {{1, 1}},
                   .mode = i % 2 == 0 ? StoreFlags::Mode::add : StoreFlags::Mode::remove,
                   .system_flags = static_cast<std::uint16_t>(Flag::seen)});
  }
  ASSERT_FALSE(mutation.has_value());
  EXPECT_EQ(mutation.error().code, ErrorCode::unavailable);
  faults_.mail_flush_stuck = false;
  EXPECT_TRUE(recovers());
  const StoreContents contents = reopen_and_read();
  EXPECT_EQ(contents.mailboxes.at(inboxes[3]).messages.size(), durable);
  EXPECT_EQ(contents.mailboxes.at(inboxes[3]).head.uid_next, durable + 1) << "no uid was used up";
  // The refused message's body may still be on its way out: the next start would finish it.
  EXPECT_LE(contents.bodies.size(), durable + 3)
      << "before, these, after, and at most the refused one";
}

TEST_F(EngineFault, FailedSyncOfBodiesLatches) {
  faults_.bodies = Faults::Kind::io_error_sync;
  EXPECT_EQ(store_->deliver({inbox_}, "during"), SpoolOutcome::failed);
  EXPECT_EQ(store_->engine().health(), EngineHealth::failed);
  EXPECT_NE(store_->engine().health_text().find("injected"), std::string::npos);
  faults_.bodies = Faults::Kind::none;
  EXPECT_EQ(store_->deliver({inbox_}, "later"), SpoolOutcome::failed);
  const auto mutation = store_->apply(Expunge{.mailbox = inbox_, .uids = {{1, 1}}});
  EXPECT_FALSE(mutation.has_value());
  // Written and not synced: it may or may not be there, but whole; what was refused later is not.
  const StoreContents contents = reopen_and_read();
  EXPECT_GE(contents.mailboxes.at(inbox_).messages.size(), 1u);
  EXPECT_LE(contents.mailboxes.at(inbox_).messages.size(), 2u);
}

TEST_F(EngineFault, FailedSyncOfRowsLatchesAndNeverDamages) {
  faults_.mail = Faults::Kind::io_error_sync;
  EXPECT_EQ(store_->deliver({inbox_}, "during"), SpoolOutcome::durable) << "its redo record is";
  EXPECT_FALSE(store_->apply(AddUser{.name = "bob@example.net"}).has_value());
  EXPECT_EQ(store_->engine().health(), EngineHealth::failed);
  const auto relayed = make_relayed("x");
  EXPECT_EQ(store_->submit(*relayed), SpoolOutcome::failed);
  const StoreContents contents = reopen_and_read();
  EXPECT_EQ(contents.mailboxes.at(inbox_).messages.size(), 2u);
}

TEST(EngineDisk, LowSpaceIsRefusedBeforeAnythingIsWritten) {
  TempDir dir;
  MailboxId inbox{};
  {
    EngineUnderTest store(dir.path());
    inbox = store.add_user("ann@example.net");
  }
  EngineUnderTest store(dir.path(), {.disk_free_min_octets = ~0ull});
  EXPECT_EQ(store.engine().health(), EngineHealth::disk_low);
  EXPECT_EQ(store.deliver({inbox}, "x"), SpoolOutcome::no_space);
  EXPECT_GT(store.engine().stats().disk_free_octets, 0u);
  // Making room must still be possible.
  EXPECT_TRUE(store.apply(Expunge{.mailbox = inbox, .uids = {{1, 1}}}).has_value());
  store.close();
  EXPECT_TRUE(read_store(dir.path()).bodies.empty());
}

TEST(EngineOpen, SecondWriterIsRefused) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  WaitingSink sink;
  const auto second = Engine::open({.path = dir.path()}, sink);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::unavailable) << second.error().message;
}

TEST(EngineOpen, MissingParentIsAnError) {
  TempDir dir;
  WaitingSink sink;
  const auto opened = Engine::open({.path = dir.path() + "/no/such"}, sink);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::io);
  EXPECT_NE(opened.error().message.find("/no/such"), std::string::npos);
}

/// Opens mail/ raw, to damage it.
void with_mail(const std::string& path, auto&& change) {
  const std::vector<std::string> names = {"default", "queue", "directory", "refs", "meta"};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const auto& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(
      rocksdb::DB::Open(rocksdb::DBOptions(), path + "/mail", families, &handles, &db).ok());
  change(*db, handles);
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  delete db;
}

TEST(EngineOpen, NewerFormatIsRefusedWithASentence) {
  TempDir dir;
  {
    EngineUnderTest store(dir.path());
  }
  with_mail(dir.path(), [](rocksdb::DB& db, auto& handles) {
    const auto version = schema::encode_u32(schema::kStoreFormat + 1).string();
    ASSERT_TRUE(db.Put({}, handles[4], "v", version).ok());
  });
  WaitingSink sink;
  const auto opened = Engine::open({.path = dir.path()}, sink);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::unsupported);
  EXPECT_NE(opened.error().message.find("newer version"), std::string::npos)
      << opened.error().message;
}

TEST(EngineOpen, UnknownColumnFamilyIsRefused) {
  TempDir dir;
  {
    EngineUnderTest store(dir.path());
  }
  with_mail(dir.path(), [](rocksdb::DB& db, auto&) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    ASSERT_TRUE(db.CreateColumnFamily({}, "calendar", &handle).ok());
    db.DestroyColumnFamilyHandle(handle);
  });
  WaitingSink sink;
  const auto opened = Engine::open({.path = dir.path()}, sink);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::unsupported);
  EXPECT_NE(opened.error().message.find("calendar"), std::string::npos);
}

TEST(EngineOpen, DamagedAccountRowIsReportedNotLoaded) {
  TempDir dir;
  {
    EngineUnderTest store(dir.path());
    store.add_user("ann@example.net");
  }
  with_mail(dir.path(), [](rocksdb::DB& db, auto& handles) {
    ASSERT_TRUE(
        db.Put({}, handles[2], to_slice(schema::account_key(AccountId{1})), "\x01garbage").ok());
  });
  WaitingSink sink;
  const auto opened = Engine::open({.path = dir.path()}, sink);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::corrupted);
}

}  // namespace
}  // namespace postern::store::testing

// Why rows of the tailed family are never overwritten: what RocksDB's secondary instances do, shown
// on plain RocksDB, and that our rows are read right where plain ones are not (architecture.md,
// section 6).
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include "store/mailbox_reader.hpp"
#include "store/reader_view.hpp"
#include "tests/unit/store/row_store.hpp"

namespace postern::store::test {
namespace {

constexpr MailboxId kBox{3};

std::unique_ptr<rocksdb::DB> open_plain(const std::string& path) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, path, &db).ok());
  return std::unique_ptr<rocksdb::DB>(db);
}

std::unique_ptr<rocksdb::DB> open_plain_secondary(const std::string& path,
                                                  const std::string& scratch) {
  rocksdb::Options options;
  options.max_open_files = -1;
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(rocksdb::DB::OpenAsSecondary(options, path, scratch, &db).ok());
  return std::unique_ptr<rocksdb::DB>(db);
}

// facts.md 3a point 3, upstream issue #14444. If this test fails RocksDB has been repaired, and
// versioned rows are no longer needed for this reason.
TEST(SecondaryRows, PlainGetReturnsAnOverwrittenValue) {
  TemporaryFolder folder;
  const auto primary = open_plain(folder.path() + "/db");
  const rocksdb::WriteOptions write;
  ASSERT_TRUE(primary->Put(write, "K", "v1").ok());
  const auto secondary = open_plain_secondary(folder.path() + "/db", folder.path() + "/scratch");
  ASSERT_TRUE(secondary->TryCatchUpWithPrimary().ok());
  ASSERT_TRUE(primary->Put(write, "K", "v2").ok());
  ASSERT_TRUE(primary->Flush(rocksdb::FlushOptions()).ok());
  ASSERT_TRUE(secondary->TryCatchUpWithPrimary().ok());
  std::string value;
  ASSERT_TRUE(secondary->Get(rocksdb::ReadOptions(), "K", &value).ok());
  EXPECT_EQ(value, "v1") << "the secondary's Get is right now: see the comment above this test";
  EXPECT_EQ(secondary->GetLatestSequenceNumber(), primary->GetLatestSequenceNumber())
      << "a sequence check does not notice";
}

/// A store and a view of it.
struct Pair {
  Pair() : store(folder.path() + "/store") {
    store.create_mailbox(kBox);
    store.deliver(kBox);
    store.deliver(kBox);
    auto opened = ReaderView::open({.store_path = folder.path() + "/store",
                                    .scratch_path = folder.path() + "/scratch",
                                    .cache_entries_max = 0});
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    view = std::move(*opened);
  }
  /// Catches up, then compares a full read, without help from repairs.
  void expect_right(const char* when) {
    const auto moved = view->advance_to(store.position());
    ASSERT_TRUE(moved.has_value()) << when << ": " << moved.error().message;
    const auto snapshot = view->snapshot(kBox, nullptr);
    ASSERT_TRUE(snapshot.has_value()) << when << ": " << snapshot.error().message;
    EXPECT_EQ(entries_of(**snapshot), entries_of(*store.expected(kBox))) << when;
    EXPECT_EQ((*snapshot)->head(), store.model(kBox).head) << when;
    EXPECT_EQ(view->stats().mismatches, 0u) << when;
  }
  static FlagSet flags(std::uint16_t system) { return {.system = system}; }

  TemporaryFolder folder;
  RowStore store;
  std::unique_ptr<ReaderView> view;
};

TEST(SecondaryRows, VersionedRowsAreRightAcrossFlushes) {
  Pair pair;
  pair.expect_right("at first");
  for (std::uint16_t i = 1; i <= 40; ++i) {
    // Between two catch-ups: change, flush. The secondary never replays the change from the WAL.
    pair.store.set_flags(kBox, {1}, Pair::flags(i % 32));
    pair.store.flush();
    pair.expect_right("after a flush");
    if (i % 3 == 0) pair.store.deliver(kBox);
    pair.expect_right("after a delivery");
  }
}

TEST(SecondaryRows, VersionedRowsAreRightAcrossCompactions) {
  Pair pair;
  for (std::uint16_t i = 1; i <= 20; ++i) {
    pair.store.set_flags(kBox, {1, 2}, Pair::flags(i % 32));
    if (i % 2 == 0) pair.store.flush();
    pair.store.compact();
    pair.expect_right("after a compaction");
  }
}

TEST(SecondaryRows, VersionedRowsAreRightAcrossRestartsOfTheWriter) {
  Pair pair;
  for (std::uint16_t i = 1; i <= 15; ++i) {
    pair.store.set_flags(kBox, {1}, Pair::flags(i % 32));
    pair.store.deliver(kBox);
    pair.store.restart();  // replays the WAL, flushes it, begins another
    pair.expect_right("after a restart");
    pair.store.set_flags(kBox, {2}, Pair::flags((i + 1) % 32));
    if (i % 4 == 0) pair.store.expunge(kBox, {static_cast<Uid>(2 + i)});
    pair.expect_right("after a restart and a change");
  }
}

TEST(SecondaryRows, ExpungedAndClearedAwayBehindTheViewIsGone) {
  Pair pair;
  for (int i = 0; i < 10; ++i) {
    pair.store.deliver(kBox);
    pair.expect_right("after a delivery");
    const Uid last = pair.store.model(kBox).head.uid_next - 1;
    pair.store.expunge(kBox, {last});
    pair.expect_right(
        "after the expunge");  // the view is past it: now, and not before, it may be cleared
    pair.store.clear_away(kBox);
    pair.store.flush();
    pair.expect_right("cleared away and flushed, no clock yet");
    pair.store.write_clock();
    pair.expect_right("after the clock");
    pair.store.compact();
    pair.expect_right("after the compaction");
  }
}

bool row_visible(rocksdb::DB& db, std::string_view prefix) {
  const std::unique_ptr<rocksdb::Iterator> rows(db.NewIterator(rocksdb::ReadOptions()));
  const rocksdb::Slice start(prefix.data(), prefix.size());
  rows->Seek(start);
  return rows->Valid() && rows->key().starts_with(start);
}

// The ghost: expunge row, deletes and flush all fall between two catch-ups, which the writer does
// not let happen to a registered view. The clock row that it writes after every flush heals it.
TEST(SecondaryRows, TheGhostIsRealAndTheClockRowLaysIt) {
  Pair pair;
  const auto secondary =
      open_plain_secondary(pair.folder.path() + "/store/mail", pair.folder.path() + "/scratch2");
  ASSERT_TRUE(secondary->TryCatchUpWithPrimary().ok());
  const schema::UidPrefix uid_1 = schema::message_uid_prefix(kBox, 1);
  pair.store.expunge(kBox, {1});
  pair.store.clear_away(kBox);
  pair.store.flush();
  pair.store.compact();
  ASSERT_TRUE(secondary->TryCatchUpWithPrimary().ok());
  EXPECT_FALSE(row_visible(pair.store.mail(), uid_1));
  EXPECT_TRUE(row_visible(*secondary, uid_1))
      << "no ghost: RocksDB drops the memtable by itself now";
  EXPECT_EQ(secondary->GetLatestSequenceNumber(), pair.store.position());
  pair.store.write_clock();
  ASSERT_TRUE(secondary->TryCatchUpWithPrimary().ok());
  EXPECT_FALSE(row_visible(*secondary, uid_1));
}

// A view that was not registered meets the ghost: its head tells, and a new instance puts it right.
TEST(SecondaryRows, TheViewNoticesAGhostByItsHead) {
  Pair pair;
  pair.expect_right("at first");
  pair.store.expunge(kBox, {1});
  pair.store.clear_away(kBox);
  pair.store.flush();
  pair.store.compact();
  ASSERT_TRUE(pair.view->advance_to(pair.store.position()).has_value());
  const auto snapshot = pair.view->snapshot(kBox, nullptr);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(entries_of(**snapshot), entries_of(*pair.store.expected(kBox)));
  const ReaderViewStats stats = pair.view->stats();
  EXPECT_GE(stats.mismatches, 1u);
  EXPECT_EQ(stats.reopens, 1u);
  EXPECT_EQ(stats.miscounted_mailboxes, 0u);
}

}  // namespace
}  // namespace postern::store::test

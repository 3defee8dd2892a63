// What the writer does on the side: clock rows, and removing superseded rows.
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

constexpr auto bit(Flag flag) { return static_cast<std::uint16_t>(flag); }

/// A small memtable, so that a few hundred messages make several flushes and compactions.
EngineOptions small_memtable() { return {.row_memtable_octets = 64 * 1024}; }

class EngineUpkeep : public ::testing::Test {
 protected:
  void open() {
    store_ = std::make_unique<EngineUnderTest>(dir_.path(), small_memtable());
    for (int i = 0; i < 16; ++i) {
      inboxes_.push_back(store_->add_user("u" + std::to_string(i) + "@example.net"));
    }
    inbox_ = inboxes_.front();
  }
  /// Delivers to all mailboxes, which makes many rows with one fsync; `follow`: a reader that keeps
  /// up says so.
  void deliver(int count, bool follow) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(store_->deliver(inboxes_, "mail " + std::to_string(++delivered_)),
                SpoolOutcome::durable);
      if (follow) store_->engine().set_oldest_view(store_->engine().position());
    }
  }
  StoreContents close_and_read() {
    store_->close();
    {
      EngineUnderTest drain(dir_.path());
    }
    StoreContents contents = read_store(dir_.path());
    expect_consistent(contents);
    return contents;
  }

  TempDir dir_;
  std::unique_ptr<EngineUnderTest> store_;
  std::vector<MailboxId> inboxes_;
  MailboxId inbox_{};
  int delivered_ = 0;
};

TEST_F(EngineUpkeep, EveryStartWritesAClockRow) {
  {
    EngineUnderTest store(dir_.path());
  }
  EXPECT_EQ(read_store(dir_.path()).clock_rows, 1u);
  {
    EngineUnderTest store(dir_.path());
  }
  EXPECT_EQ(read_store(dir_.path()).clock_rows, 2u);
}

TEST_F(EngineUpkeep, EveryFlushWritesAClockRow) {
  open();
  deliver(100, false);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (store_->engine().stats().clock_rows < 2 && std::chrono::steady_clock::now() < deadline) {
    deliver(1, false);
  }
  const std::uint64_t clock_rows = store_->engine().stats().clock_rows;
  EXPECT_GE(clock_rows, 2u);
  store_->close();
  EXPECT_GE(read_store(dir_.path()).clock_rows, clock_rows + 1);
}

TEST_F(EngineUpkeep, NothingIsRemovedWhileNoViewHasSpoken) {
  open();
  deliver(200, false);
  EXPECT_EQ(store_->engine().stats().rows_collected, 0u);
  const auto mailbox = close_and_read().mailboxes.at(inbox_);
  EXPECT_GE(mailbox.head_rows, 201u) << "every head version is still there";
}

TEST_F(EngineUpkeep, AViewThatStaysBehindKeepsWhatItMayNeed) {
  open();
  store_->engine().set_oldest_view(store_->engine().position());
  deliver(200, false);
  store_->engine().set_oldest_view(1);  // never backwards, and no news
  EXPECT_EQ(store_->engine().stats().rows_collected, 0u);
}

TEST_F(EngineUpkeep, SupersededRowsGoWhenEveryViewIsPast) {
  open();
  // A compaction collects them, whenever it comes.
  for (int round = 0; round < 100 && store_->engine().stats().rows_collected == 0; ++round) {
    deliver(50, true);
  }
  EXPECT_GT(store_->engine().stats().rows_collected, 0u);
  const auto delivered = static_cast<std::size_t>(delivered_);
  const auto mailbox = close_and_read().mailboxes.at(inbox_);
  EXPECT_EQ(mailbox.messages.size(), delivered);
  EXPECT_LT(mailbox.head_rows, delivered);
  EXPECT_EQ(mailbox.head.message_count, delivered);
}

TEST_F(EngineUpkeep, ExpungedMessagesGoAndNeverComeBack) {
  open();
  deliver(100, true);
  const auto flag = [&](UidRange range, Flag which) {
    return store_->apply(StoreFlags{.mailbox = inbox_,
                                    .uids = {range},
                                    .mode = StoreFlags::Mode::add,
                                    .system_flags = bit(which)});
  };
  for (const Flag which : {Flag::seen, Flag::answered, Flag::deleted}) {
    ASSERT_TRUE(flag({1, 50}, which).has_value());
  }
  ASSERT_EQ(store_->apply(Expunge{.mailbox = inbox_, .uids = {{1, 100}}})->changed_count, 50u);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::uint64_t seen = store_->engine().stats().clock_rows;
  // Two rounds of three flushes each, and some.
  while (store_->engine().stats().clock_rows < seen + 10 &&
         std::chrono::steady_clock::now() < deadline) {
    deliver(10, true);
  }
  const StoreContents contents = close_and_read();
  const auto& mailbox = contents.mailboxes.at(inbox_);
  EXPECT_TRUE(mailbox.expunged.empty()) << mailbox.expunged.size() << " expunge rows are left";
  EXPECT_EQ(mailbox.messages.size(), static_cast<std::size_t>(delivered_ - 50));
  EXPECT_EQ(mailbox.messages.begin()->first, 51u);
  EXPECT_EQ(mailbox.changes.size(), 50u) << "the change log remembers them";
  for (const std::string& key : contents.meta_keys) EXPECT_NE(key[0], 'e');
}

TEST_F(EngineUpkeep, ExpungeRowsStayWhileAViewIsBehind) {
  open();
  deliver(20, true);
  ASSERT_EQ(store_->apply(Expunge{.mailbox = inbox_, .uids = {{1, 10}}, .only_deleted = false})
                ->changed_count,
            10u);
  deliver(200, false);
  EXPECT_GE(store_->engine().stats().clock_rows, 3u);
  const auto mailbox = close_and_read().mailboxes.at(inbox_);
  EXPECT_EQ(mailbox.expunged.size(), 10u);
}

TEST(EngineGroups, AMessageToManyMailboxesDoesNotMakeHugeGroups) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  std::vector<MailboxId> inboxes;
  for (int i = 0; i < 100; ++i) {
    inboxes.push_back(store.add_user("u" + std::to_string(i) + "@x.example"));
  }
  const EngineStats before = store.engine().stats();
  std::vector<std::unique_ptr<SpoolRequest>> requests;
  for (int i = 0; i < 1500; ++i) {
    requests.push_back(make_message(inboxes, "m"));
    while (!store.engine().submit(requests.back().get())) std::this_thread::yield();
  }
  ASSERT_TRUE(store.sink().wait_for(1500));
  const EngineStats after = store.engine().stats();
  const std::uint64_t octets = after.rows.octets - before.rows.octets;
  EXPECT_GT(octets, 8u << 20);
  EXPECT_GE(after.rows.groups - before.rows.groups, octets / (5 << 20));
  const std::vector<SpoolRequest*> completed = store.sink().completed();
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(completed[i], requests[i].get());
  store.close();
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(contents.mailboxes.at(inboxes[7]).messages.size(), 1500u);
}

}  // namespace
}  // namespace postern::store::testing

// The view against long histories and concurrent writers: never torn, never behind what was
// acknowledged, step by step the same as at once.
#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>

#include "store/reader_view.hpp"
#include "tests/unit/store/row_store.hpp"

namespace postern::store::test {
namespace {

constexpr MailboxId kBox{3};

std::unique_ptr<ReaderView> open_view(const TemporaryFolder& folder, const std::string& name,
                                      std::size_t cache_entries_max = 1'000'000) {
  auto opened = ReaderView::open({.store_path = folder.path() + "/store",
                                  .scratch_path = folder.path() + "/" + name,
                                  .cache_entries_max = cache_entries_max});
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  return std::move(*opened);
}

std::set<Uid> some_uids(const ModelMailbox& mailbox, std::mt19937_64& random, std::size_t most) {
  std::set<Uid> uids;
  if (mailbox.messages.empty()) return uids;
  for (std::size_t n = 1 + random() % most; n > 0; --n) {
    uids.insert(static_cast<Uid>(1 + random() % (mailbox.head.uid_next - 1)));
  }
  return uids;
}

/// One random change of the mailbox.
void change(RowStore& store, std::mt19937_64& random) {
  const ModelMailbox& mailbox = store.model(kBox);
  switch (random() % 5) {
    case 0:
      store.deliver(kBox, random() % 5000);
      break;
    case 1:
      store.deliver_many(kBox, 1 + random() % 50);
      break;
    case 2:
    case 3:
      store.set_flags(
          kBox, some_uids(mailbox, random, 20),
          {.system = static_cast<std::uint16_t>(random() % 32), .keywords = random() % 8});
      break;
    case 4:
      store.expunge(kBox, some_uids(mailbox, random, 10));
      break;
  }
}

// Whatever happened between two reads, and however old the snapshot a session starts from: the
// result is what the model says, which is also what a full read gives.
TEST(ReaderViewHistory, IncrementalIsTheSameAsFull) {
  std::uint64_t incremental = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    std::mt19937_64 random(seed);
    TemporaryFolder folder;
    RowStore store(folder.path() + "/store");
    store.create_mailbox(kBox);
    auto view = open_view(folder, "a", seed % 2 == 0 ? 0 : 1'000'000);
    const auto full_view = open_view(folder, "b", 0);
    std::vector<MailboxSnapshotPtr> held(4);
    for (int step = 0; step < 120; ++step) {
      for (std::uint64_t n = random() % 6; n > 0; --n) {
        change(store, random);
        // Anything may happen to the files between two catch-ups.
        if (random() % 8 == 0) store.flush(), store.write_clock();
        if (random() % 40 == 0) store.compact();
        if (random() % 60 == 0) store.restart();
      }
      ASSERT_TRUE(view->advance_to(store.position()).has_value());
      ASSERT_TRUE(full_view->advance_to(store.position()).has_value());
      // Both views are past everything: rows that newer ones made superfluous may go.
      if (random() % 10 == 0) store.clear_away(kBox);
      if (random() % 50 == 0) {
        ASSERT_TRUE(view->reopen().has_value());
      }

      const auto expected = entries_of(*store.expected(kBox));
      MailboxSnapshotPtr& mine = held[random() % held.size()];
      const auto snapshot = view->snapshot(kBox, mine);
      ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
      ASSERT_EQ(entries_of(**snapshot), expected) << "seed " << seed << " step " << step;
      ASSERT_EQ((*snapshot)->head(), store.model(kBox).head);
      mine = *snapshot;
      const auto full = full_view->snapshot(kBox, nullptr);
      ASSERT_TRUE(full.has_value());
      ASSERT_EQ(entries_of(**full), expected) << "seed " << seed << " step " << step;
    }
    ASSERT_EQ(view->stats().mismatches, 0u) << "seed " << seed;
    ASSERT_EQ(full_view->stats().mismatches, 0u) << "seed " << seed;
    incremental += view->stats().snapshots_incremental;
  }
  EXPECT_GT(incremental, 200u) << "the incremental path was hardly tested";
}

// A batch touches rows that must agree: the head's counters and the messages. Readers that look at
// any time must never see one without the other.
TEST(ReaderViewHistory, NoTornView) {
  TemporaryFolder folder;
  RowStore store(folder.path() + "/store");
  store.create_mailbox(kBox);
  store.deliver_many(kBox, 300);
  const auto view = open_view(folder, "a", 0);
  std::atomic<bool> stop = false;
  std::atomic<StorePosition> acknowledged = store.position();
  std::thread writer([&] {
    std::mt19937_64 random(5);
    for (int i = 0; i < 3000; ++i) {
      change(store, random);
      if (store.model(kBox).messages.size() > 1500) {
        std::set<Uid> first;
        for (const auto& [uid, entry] : store.model(kBox).messages) {
          if (first.size() < 1000) first.insert(uid);
        }
        store.expunge(kBox, first);
      }
      if (random() % 100 == 0) store.flush(), store.write_clock();
      acknowledged = store.position();
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // let the readers look
    }
    stop = true;
  });
  std::atomic<std::uint64_t> looks = 0;
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      MailboxSnapshotPtr held;
      StorePosition last = 0;
      while (!stop) {
        if (r != 0) {
          const auto moved = view->advance_to(acknowledged);
          ASSERT_TRUE(moved.has_value()) << moved.error().message;
        }
        const auto snapshot = view->snapshot(kBox, looks % 3 == 0 ? nullptr : held);
        ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
        ASSERT_EQ((*snapshot)->size(), (*snapshot)->head().message_count);
        ASSERT_GE((*snapshot)->head().highest_modseq, last);
        last = (*snapshot)->head().highest_modseq;
        held = *snapshot;
        ++looks;
      }
    });
  }
  writer.join();
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(looks, 20u);
  EXPECT_EQ(view->stats().mismatches, 0u) << "rows and head disagreed at some moment";
  EXPECT_GT(view->stats().catch_ups, 5u);
  EXPECT_GT(view->stats().snapshots_incremental, 5u);
}

TEST(ReaderViewHistory, YouReadYourOwnWrites) {
  TemporaryFolder folder;
  RowStore store(folder.path() + "/store");
  store.create_mailbox(kBox);
  const auto view = open_view(folder, "a");
  MailboxSnapshotPtr held;
  std::mt19937_64 random(11);
  for (int i = 0; i < 4000; ++i) {
    StorePosition position = 0;
    if (i % 3 == 2) {
      const Uid uid = static_cast<Uid>(1 + random() % (store.model(kBox).head.uid_next - 1));
      position = store.set_flags(kBox, {uid}, {.system = static_cast<std::uint16_t>(i % 32)});
    } else {
      position = store.deliver(kBox);
    }
    if (i % 97 == 0) store.flush(), store.write_clock();
    if (i % 1013 == 0) store.compact();
    const auto moved = view->advance_to(position);
    ASSERT_TRUE(moved.has_value()) << moved.error().message;
    const auto head = view->head(kBox);
    ASSERT_TRUE(head.has_value());
    ASSERT_EQ(*head, store.model(kBox).head) << i;
    if (i % 10 == 0) {
      held = view->snapshot(kBox, held).value();
      ASSERT_EQ(entries_of(*held), entries_of(*store.expected(kBox))) << i;
    }
  }
  EXPECT_EQ(view->stats().mismatches, 0u);
}

TEST(ReaderViewHistory, CallersThatComeTogetherShareACatchUp) {
  TemporaryFolder folder;
  RowStore store(folder.path() + "/store");
  store.create_mailbox(kBox);
  const auto view = open_view(folder, "a");
  constexpr int kThreads = 8;
  constexpr int kRounds = 200;
  std::atomic<StorePosition> target = 0;
  std::atomic<int> waiting = 0;
  std::atomic<int> round = 0;
  const std::uint64_t before = view->stats().catch_ups;
  std::vector<std::thread> callers;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&] {
      for (int r = 1; r <= kRounds; ++r) {
        while (round.load() < r) std::this_thread::yield();
        const auto moved = view->advance_to(target);
        ASSERT_TRUE(moved.has_value()) << moved.error().message;
        ASSERT_GE(view->position(), target);
        ++waiting;
      }
    });
  }
  for (int r = 1; r <= kRounds; ++r) {
    target = store.deliver(kBox);
    waiting = 0;
    round = r;
    while (waiting < kThreads) std::this_thread::yield();
  }
  for (std::thread& caller : callers) caller.join();
  // One each round would do; a caller that comes when a pass is over already has nothing to do.
  EXPECT_LE(view->stats().catch_ups - before, static_cast<std::uint64_t>(kRounds) * 2);
}

// Two primaries' worth of file churn against the reader: tiny memtables, so that WALs and tables
// vanish all the time under the catch-ups.
TEST(ReaderViewHistory, SurvivesFilesThatVanish) {
  TemporaryFolder folder;
  RowStore store(folder.path() + "/store");
  store.create_mailbox(kBox);
  const auto view = open_view(folder, "a", 0);
  std::atomic<bool> stop = false;
  std::atomic<StorePosition> acknowledged = store.position();
  std::thread writer([&] {
    std::mt19937_64 random(23);
    for (int i = 0; i < 200; ++i) {
      change(store, random);
      store.flush();
      store.write_clock();
      if (i % 5 == 0) store.compact();
      acknowledged = store.position();
    }
    stop = true;
  });
  std::uint64_t looks = 0;
  while (!stop) {
    const StorePosition position = acknowledged;
    const auto moved = view->advance_to(position);
    ASSERT_TRUE(moved.has_value()) << moved.error().message;
    const auto snapshot = view->snapshot(kBox, nullptr);
    ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
    ++looks;
  }
  writer.join();
  ASSERT_TRUE(view->advance_to(store.position()).has_value());
  EXPECT_EQ(entries_of(*view->snapshot(kBox, nullptr).value()), entries_of(*store.expected(kBox)));
  EXPECT_EQ(view->stats().mismatches, 0u);
  EXPECT_GT(looks, 20u);
  RecordProperty("catch_ups_failed", static_cast<int>(view->stats().catch_ups_failed));
}

}  // namespace
}  // namespace postern::store::test

// The reader side against the real writer.
#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <mutex>
#include <random>
#include <thread>

#include "store/reader_view.hpp"
#include "tests/unit/store/engine_harness.hpp"
#include "tests/unit/store/row_store.hpp"

namespace postern::store::test {
namespace {

using testing::EngineUnderTest;
using testing::TempDir;

std::unique_ptr<ReaderView> open_view(const TempDir& folder, const std::string& name) {
  auto opened = ReaderView::open(
      {.store_path = folder.path() + "/store", .scratch_path = folder.path() + "/" + name});
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  return std::move(*opened);
}

std::string text(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\n" + std::string(50 + number % 900, 'x') +
         "\r\n";
}

TEST(ReaderEngine, EverythingAcknowledgedIsVisible) {
  TempDir folder;
  EngineUnderTest engine(folder.path() + "/store");
  const MailboxId inbox = engine.add_user("ann@example.org");
  const auto view = open_view(folder, "view");
  const AccountId account = engine.engine().directory()->find_login("ann@example.org")->id;
  const auto folders = view->folders(account);
  ASSERT_TRUE(folders.has_value());
  ASSERT_EQ(folders->size(), 1u);
  EXPECT_EQ(folders->front().id, inbox);
  EXPECT_EQ(folders->front().name, "INBOX");

  MailboxSnapshotPtr held;
  std::mt19937 random(1);
  std::uint32_t expected = 0;
  for (int i = 0; i < 600; ++i) {
    ASSERT_EQ(engine.deliver({inbox}, text(i)), SpoolOutcome::durable);
    ++expected;
    StorePosition position = engine.engine().position();
    if (i % 3 == 1) {
      const Uid uid = 1 + random() % static_cast<Uid>(i + 1);
      const auto reply =
          engine.apply(StoreFlags{.mailbox = inbox,
                                  .uids = {{uid, uid}},
                                  .mode = StoreFlags::Mode::add,
                                  .system_flags = static_cast<std::uint16_t>(Flag::seen),
                                  .keywords = {"k" + std::to_string(i % 5)}});
      ASSERT_TRUE(reply.has_value());
      position = reply->position;
    } else if (i % 7 == 2) {
      const Uid uid = 1 + random() % static_cast<Uid>(i + 1);
      const auto reply =
          engine.apply(Expunge{.mailbox = inbox, .uids = {{uid, uid}}, .only_deleted = false});
      ASSERT_TRUE(reply.has_value());
      expected -= reply->changed_count;
      position = reply->position;
    }
    const auto moved = view->advance_to(position);
    ASSERT_TRUE(moved.has_value()) << moved.error().message;
    const auto snapshot = view->snapshot(inbox, held);
    ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
    held = *snapshot;
    ASSERT_EQ(held->size(), expected);
    // The message that was delivered just now (unless it was expunged at once), octet by octet.
    const std::size_t index = held->index_of(static_cast<Uid>(i + 1));
    if (index == held->size()) continue;
    const MessageEntry& entry = (*held)[index];
    ASSERT_EQ(entry.size_octets, text(i).size());
    const auto body = view->read_body(entry.body, 0, entry.size_octets);
    ASSERT_TRUE(body.has_value()) << body.error().message;
    ASSERT_EQ(*body, text(i));
  }
  EXPECT_EQ(view->stats().mismatches, 0u);
  EXPECT_EQ(view->stats().reopens, 0u);
}

// Deliveries, mutations and readers at the same time; readers follow the change feed.
TEST(ReaderEngine, ConcurrentReadersSeeWholeChanges) {
  TempDir folder;
  std::atomic<StorePosition> fed = 0;
  EngineUnderTest engine(folder.path() + "/store",
                         {.on_change = [&](auto, StorePosition position) { fed = position; }});
  const MailboxId inbox = engine.add_user("ann@example.org");
  const MailboxId other = engine.add_user("bob@example.org");
  const auto view = open_view(folder, "view");
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> looks = 0;
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&] {
      MailboxSnapshotPtr held[2];
      while (!stop) {
        const auto moved = view->advance_to(fed);
        ASSERT_TRUE(moved.has_value()) << moved.error().message;
        for (int box = 0; box < 2; ++box) {
          const auto snapshot = view->snapshot(box == 0 ? inbox : other, held[box]);
          ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
          ASSERT_TRUE(held[box] == nullptr ||
                      (*snapshot)->head().highest_modseq >= held[box]->head().highest_modseq);
          held[box] = *snapshot;
          if (!held[box]->empty() && looks % 16 == 0) {
            const MessageEntry& newest = (*held[box])[held[box]->size() - 1];
            const auto body = view->read_body(newest.body, 0, newest.size_octets);
            // Expunged meanwhile and cleared away: the only excuse.
            if (!body) {
              ASSERT_EQ(body.error().code, ErrorCode::not_found) << body.error().message;
            } else {
              ASSERT_EQ(body->size(), newest.size_octets);
            }
          }
          ++looks;
        }
      }
    });
  }
  std::thread mutator([&] {
    for (std::uint16_t i = 0; i < 300; ++i) {
      (void)engine.apply(StoreFlags{.mailbox = inbox,
                                    .uids = {{1, 4'000'000'000}},
                                    .mode = StoreFlags::Mode::replace,
                                    .system_flags = static_cast<std::uint16_t>(i % 32)});
      if (i % 20 == 0) {
        (void)engine.apply(
            Expunge{.mailbox = other, .uids = {{1, 4'000'000'000}}, .only_deleted = false});
      }
    }
  });
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(engine.deliver(i % 5 == 0 ? std::vector{inbox, other} : std::vector{other}, text(i)),
              SpoolOutcome::durable);
  }
  mutator.join();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(looks, 100u);
  EXPECT_EQ(view->stats().mismatches, 0u);
  EXPECT_EQ(view->stats().miscounted_mailboxes, 0u);
}

TEST(ReaderEngine, FollowsAnEngineThatRestarts) {
  TempDir folder;
  MailboxId inbox{};
  std::unique_ptr<ReaderView> view;
  MailboxSnapshotPtr held;
  for (int start = 0; start < 4; ++start) {
    EngineUnderTest engine(folder.path() + "/store");
    if (start == 0) {
      inbox = engine.add_user("ann@example.org");
      view = open_view(folder, "view");
    } else if (start % 2 == 0) {
      ASSERT_TRUE(view->reopen().has_value());
    }
    for (int i = 0; i < 10; ++i) ASSERT_EQ(engine.deliver({inbox}, text(i)), SpoolOutcome::durable);
    ASSERT_TRUE(view->advance_to(engine.engine().position()).has_value());
    held = view->snapshot(inbox, held).value();
    EXPECT_EQ(held->size(), static_cast<std::size_t>(10 * (start + 1)));
    const MessageEntry& newest = (*held)[held->size() - 1];
    EXPECT_EQ(view->read_body(newest.body, 0, newest.size_octets).value(), text(9));
  }
  EXPECT_EQ(view->stats().mismatches, 0u);
}

TEST(ReaderEngine, ADeletedAccountIsGone) {
  TempDir folder;
  EngineUnderTest engine(folder.path() + "/store");
  const MailboxId inbox = engine.add_user("ann@example.org");
  const AccountId account = engine.engine().directory()->find_login("ann@example.org")->id;
  ASSERT_EQ(engine.deliver({inbox}, text(1)), SpoolOutcome::durable);
  const auto view = open_view(folder, "view");
  ASSERT_TRUE(view->snapshot(inbox, nullptr).has_value());
  const auto deleted = engine.apply(DeleteUser{"ann@example.org"});
  ASSERT_TRUE(deleted.has_value());
  ASSERT_TRUE(view->advance_to(deleted->position).has_value());
  EXPECT_TRUE(view->folders(account).value().empty());
  EXPECT_EQ(view->head(inbox).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace postern::store::test

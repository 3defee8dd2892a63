#include "store/mailbox_snapshot.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>

#include "store/snapshot_builder.hpp"
#include "store/snapshot_cache.hpp"

namespace postern::store {
namespace {

constexpr std::size_t kBlock = MailboxSnapshot::kBlockEntries;

MessageEntry message(Uid uid, ModSeq modseq = 1, bool seen = false) {
  MessageEntry entry{.uid = uid, .modseq = modseq, .body = BodyId{uid}, .size_octets = uid * 10ull};
  if (seen) entry.flags.set(Flag::seen);
  return entry;
}

MailboxHead counted(MailboxHead head, const std::map<Uid, MessageEntry>& messages) {
  SnapshotTotals totals;
  for (const auto& [uid, entry] : messages) totals.add(entry);
  head.message_count = totals.message_count;
  head.unseen_count = totals.unseen_count;
  head.total_octets = totals.total_octets;
  return head;
}

MailboxSnapshotPtr all_of(const std::map<Uid, MessageEntry>& messages, MailboxHead head = {}) {
  std::vector<MessageEntry> entries;
  for (const auto& [uid, entry] : messages) entries.push_back(entry);
  return MailboxSnapshot::from_entries(counted(std::move(head), messages), std::move(entries));
}

std::vector<MessageEntry> entries_of(const MailboxSnapshot& snapshot) {
  std::vector<MessageEntry> entries;
  for (std::size_t i = 0; i < snapshot.size(); ++i) entries.push_back(snapshot[i]);
  return entries;
}

std::size_t shared_blocks(const MailboxSnapshot& a, const MailboxSnapshot& b) {
  return static_cast<std::size_t>(std::ranges::count_if(b.blocks(), [&](const auto& block) {
    return std::ranges::find(a.blocks(), block) != a.blocks().end();
  }));
}

TEST(MailboxSnapshot, FindsByIndexAndUid) {
  std::map<Uid, MessageEntry> messages;
  for (Uid uid = 3; uid <= 3000; uid += 3) messages[uid] = message(uid);
  const auto snapshot = all_of(messages);
  ASSERT_EQ(snapshot->size(), 1000u);
  EXPECT_EQ(snapshot->blocks().size(), (1000 + kBlock - 1) / kBlock);
  for (std::size_t i = 0; i < snapshot->size(); ++i) {
    const Uid uid = static_cast<Uid>(3 * (i + 1));
    EXPECT_EQ((*snapshot)[i].uid, uid);
    EXPECT_EQ(snapshot->index_of(uid), i);
    EXPECT_EQ(snapshot->lower_bound(uid), i);
    EXPECT_EQ(snapshot->lower_bound(uid - 1), i);
    EXPECT_EQ(snapshot->lower_bound(uid + 1), i + 1);
    EXPECT_EQ(snapshot->index_of(uid + 1), snapshot->size());
  }
  EXPECT_EQ(snapshot->lower_bound(0), 0u);
  EXPECT_EQ(snapshot->lower_bound(4'000'000'000), snapshot->size());
}

TEST(MailboxSnapshot, EmptyHoldsNothing) {
  const auto snapshot = MailboxSnapshot::from_entries(MailboxHead{}, {});
  EXPECT_TRUE(snapshot->empty());
  EXPECT_EQ(snapshot->lower_bound(1), 0u);
  EXPECT_EQ(snapshot->index_of(1), 0u);
  EXPECT_TRUE(snapshot->blocks().empty());
}

TEST(SnapshotBuilder, OneChangeCopiesOneBlock) {
  std::map<Uid, MessageEntry> messages;
  for (Uid uid = 1; uid <= 20 * kBlock; ++uid) messages[uid] = message(uid);
  const auto base = all_of(messages);
  const Uid changed = 5 * kBlock + 17;
  const std::vector<SnapshotChange> changes = {{changed, message(changed, 2, true)}};
  SnapshotTotals totals;
  const auto next = next_snapshot(*base, MailboxHead{}, changes, {}, totals);
  EXPECT_EQ(shared_blocks(*base, *next), 19u);
  EXPECT_EQ(next->size(), base->size());
  EXPECT_TRUE((*next)[next->index_of(changed)].flags.has(Flag::seen));
  EXPECT_FALSE((*base)[base->index_of(changed)].flags.has(Flag::seen));
  EXPECT_EQ(totals.unseen_count, base->head().unseen_count - 1);
}

TEST(SnapshotBuilder, ArrivalsFillTheLastBlockAndShareTheRest) {
  std::map<Uid, MessageEntry> messages;
  for (Uid uid = 1; uid <= 3 * kBlock + 10; ++uid) messages[uid] = message(uid);
  const auto base = all_of(messages);
  const std::vector<MessageEntry> arrivals = {message(5000), message(5001)};
  SnapshotTotals totals;
  const auto next = next_snapshot(*base, MailboxHead{}, {}, arrivals, totals);
  EXPECT_EQ(shared_blocks(*base, *next), 3u);
  EXPECT_EQ(next->blocks().size(), 4u);
  EXPECT_EQ(next->size(), base->size() + 2);
}

TEST(SnapshotBuilder, ThinnedBlocksAreMergedWithoutCopyingTheRest) {
  std::map<Uid, MessageEntry> messages;
  for (Uid uid = 1; uid <= 50 * kBlock; ++uid) messages[uid] = message(uid);
  const auto base = all_of(messages);
  std::vector<SnapshotChange> changes;
  for (Uid uid = 10 * kBlock + 2; uid <= 11 * kBlock; ++uid) changes.push_back({uid, {}});
  SnapshotTotals totals;
  const auto next = next_snapshot(*base, MailboxHead{}, changes, {}, totals);
  EXPECT_EQ(next->size(), base->size() - changes.size());
  EXPECT_GE(shared_blocks(*base, *next), 48u);
  for (const auto& block : next->blocks()) EXPECT_GE(block->size(), kBlock / 4);
}

// Whatever the history: a snapshot made step by step holds what one made at once holds, in blocks
// that stay within their bounds, and earlier snapshots do not change.
TEST(SnapshotBuilder, StepByStepIsTheSameAsAtOnce) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    std::map<Uid, MessageEntry> messages;
    Uid uid_next = 1;
    ModSeq modseq = 1;
    auto current = all_of(messages);
    std::vector<std::pair<MailboxSnapshotPtr, std::vector<MessageEntry>>> history;
    for (int step = 0; step < 60; ++step) {
      ++modseq;
      std::vector<SnapshotChange> changes;
      const int one_in = std::array{2, 10, 1000}[random() % 3];
      for (auto it = messages.begin(); it != messages.end();) {
        if (random() % static_cast<unsigned>(one_in) != 0) {
          ++it;
        } else if (random() % 3 == 0) {
          changes.push_back({it->first, std::nullopt});
          it = messages.erase(it);
        } else {
          it->second = message(it->first, modseq, random() % 2 == 0);
          changes.push_back({it->first, it->second});
          ++it;
        }
      }
      if (random() % 4 == 0)
        changes.push_back({uid_next + 1000, std::nullopt});  // not held: passed over
      std::vector<MessageEntry> arrivals;
      for (std::uint64_t n = random() % 400; n > 0; --n) {
        uid_next += 1 + random() % 2;
        arrivals.push_back(message(uid_next, modseq));
        messages[uid_next] = arrivals.back();
      }
      SnapshotTotals totals;
      const MailboxHead head = counted({.highest_modseq = modseq}, messages);
      current = next_snapshot(*current, head, changes, arrivals, totals);
      const auto at_once = all_of(messages);
      ASSERT_EQ(entries_of(*current), entries_of(*at_once)) << "seed " << seed << " step " << step;
      ASSERT_EQ(totals, SnapshotTotals::of(head));
      ASSERT_LE(current->blocks().size(), 2 + 4 * current->size() / kBlock);
      for (const auto& block : current->blocks()) ASSERT_LE(block->size(), kBlock);
      history.emplace_back(current, entries_of(*current));
    }
    for (const auto& [snapshot, entries] : history) ASSERT_EQ(entries_of(*snapshot), entries);
  }
}

// --- the cache
// --------------------------------------------------------------------------------------

MailboxSnapshotPtr mailbox_of(std::uint64_t id, ModSeq modseq, std::size_t size) {
  std::vector<MessageEntry> entries;
  for (Uid uid = 1; uid <= size; ++uid) entries.push_back(message(uid));
  return MailboxSnapshot::from_entries({.id = MailboxId{id}, .highest_modseq = modseq},
                                       std::move(entries));
}

TEST(SnapshotCache, KeepsTheNewestOfAMailbox) {
  SnapshotCache cache(10'000);
  const auto old = mailbox_of(1, 5, 10);
  const auto newer = mailbox_of(1, 6, 11);
  cache.put(newer);
  cache.put(old);
  EXPECT_EQ(cache.get(MailboxId{1}), newer);
  EXPECT_EQ(cache.snapshots(), 1u);
  EXPECT_EQ(cache.entries(), 11 + SnapshotCache::kEntriesOfASnapshot);
  EXPECT_EQ(cache.get(MailboxId{2}), nullptr);
  cache.clear();
  EXPECT_EQ(cache.get(MailboxId{1}), nullptr);
  EXPECT_EQ(cache.entries(), 0u);
}

TEST(SnapshotCache, DropsTheLeastRecentlyUsedBeyondItsBound) {
  SnapshotCache cache(10 * (84 + SnapshotCache::kEntriesOfASnapshot));
  for (std::uint64_t id = 1; id <= 10; ++id) cache.put(mailbox_of(id, 1, 84));
  EXPECT_EQ(cache.snapshots(), 10u);
  EXPECT_NE(cache.get(MailboxId{1}), nullptr);  // used: 2 is the oldest now
  cache.put(mailbox_of(11, 1, 84));
  EXPECT_EQ(cache.get(MailboxId{2}), nullptr);
  EXPECT_NE(cache.get(MailboxId{1}), nullptr);
  EXPECT_NE(cache.get(MailboxId{11}), nullptr);
  EXPECT_EQ(cache.snapshots(), 10u);
}

TEST(SnapshotCache, AMailboxThatWouldPushOutTheOthersIsNotKept) {
  SnapshotCache cache(1000);
  cache.put(mailbox_of(1, 1, 100));
  cache.put(mailbox_of(2, 1, 900));
  EXPECT_NE(cache.get(MailboxId{1}), nullptr);
  EXPECT_EQ(cache.get(MailboxId{2}), nullptr);
  cache.put(mailbox_of(1, 2, 900));  // grown too large: the old one goes as well
  EXPECT_EQ(cache.get(MailboxId{1}), nullptr);
  EXPECT_EQ(cache.entries(), 0u);
}

}  // namespace
}  // namespace postern::store

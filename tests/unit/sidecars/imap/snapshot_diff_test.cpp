// Diffs of snapshots against a plain comparison, for random histories with shared blocks.
#include "sidecars/imap/snapshot_diff.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>

namespace postern::imap {
namespace {

using store::MailboxSnapshot;
using store::MailboxSnapshotPtr;
using store::MessageEntry;

using Model = std::map<store::Uid, MessageEntry>;

/// The next picture, as a store would make it: untouched blocks are shared, touched ones made anew.
MailboxSnapshotPtr next_picture(const MailboxSnapshot& before, const Model& model) {
  std::vector<MailboxSnapshot::Block> blocks;
  store::Uid last = 0;
  for (const auto& block : before.blocks()) {
    std::vector<MessageEntry> entries;
    for (const MessageEntry& entry : *block) {
      last = entry.uid;
      if (const auto found = model.find(entry.uid); found != model.end()) {
        entries.push_back(found->second);
      }
    }
    if (entries == *block) {
      blocks.push_back(block);
    } else if (!entries.empty()) {
      blocks.push_back(std::make_shared<const std::vector<MessageEntry>>(std::move(entries)));
    }
  }
  std::vector<MessageEntry> added;
  for (auto place = model.upper_bound(last); place != model.end(); ++place) {
    added.push_back(place->second);
  }
  if (!added.empty()) {
    blocks.push_back(std::make_shared<const std::vector<MessageEntry>>(std::move(added)));
  }
  return std::make_shared<const MailboxSnapshot>(store::MailboxHead{}, std::move(blocks));
}

SnapshotDiff plain_diff(const MailboxSnapshot& before, const MailboxSnapshot& after) {
  SnapshotDiff diff;
  for (std::uint32_t index = 0; index < before.size(); ++index) {
    const std::size_t found = after.index_of(before[index].uid);
    if (found == after.size()) {
      diff.expunged.push_back(index);
    } else if (after[found].flags != before[index].flags) {
      diff.changed.push_back({index, static_cast<std::uint32_t>(found)});
    }
  }
  for (std::size_t index = 0; index < after.size(); ++index) {
    diff.added += before.index_of(after[index].uid) == before.size() ? 1 : 0;
  }
  return diff;
}

TEST(SnapshotDiffTest, AgreesWithAPlainComparison) {
  std::mt19937 random(99);
  for (int history = 0; history < 300; ++history) {
    Model model;
    store::Uid next = 1;
    MailboxSnapshotPtr before = next_picture(*MailboxSnapshot::from_entries({}, {}), model);
    for (int step = 0; step < 12; ++step) {
      for (std::size_t count = random() % 20; count > 0; --count, ++next) {
        model[next] = {.uid = next, .modseq = next};
      }
      for (std::size_t count = random() % 4; count > 0 && !model.empty(); --count) {
        auto place = model.lower_bound(random() % next);
        if (place == model.end()) continue;
        if (random() % 2 == 0) {
          model.erase(place);
        } else {
          place->second.flags.system ^= static_cast<std::uint16_t>(1 << random() % 5);
        }
      }
      const MailboxSnapshotPtr after = next_picture(*before, model);
      ASSERT_EQ(after->size(), model.size());
      ASSERT_EQ(diff_snapshots(*before, *after), plain_diff(*before, *after));

      // With nothing expunged: all of `before` at its place, then what was added.
      const MailboxSnapshotPtr kept = keep_expunged(*before, *after);
      const SnapshotDiff rest = diff_snapshots(*kept, *after);
      ASSERT_EQ(rest.expunged.size(), plain_diff(*before, *after).expunged.size());
      ASSERT_TRUE(rest.changed.empty());
      ASSERT_EQ(rest.added, 0u);
      for (std::size_t index = 0; index < before->size(); ++index) {
        ASSERT_EQ((*kept)[index].uid, (*before)[index].uid);
      }
      for (std::size_t index = 1; index < kept->size(); ++index) {
        ASSERT_LT((*kept)[index - 1].uid, (*kept)[index].uid);
      }
      if (random() % 3 != 0) before = after;  // else the next diff spans several changes
    }
  }
}

TEST(SnapshotDiffTest, SharedBlocksAreNotLookedAt) {
  std::vector<MessageEntry> entries;
  for (store::Uid uid = 1; uid <= 100000; ++uid) entries.push_back({.uid = uid});
  const auto before = MailboxSnapshot::from_entries({}, entries);
  auto blocks = before->blocks();
  auto changed = *blocks[17];
  changed[3].flags.set(store::Flag::seen);
  blocks[17] = std::make_shared<const std::vector<MessageEntry>>(changed);
  const MailboxSnapshot after({}, blocks);
  const SnapshotDiff diff = diff_snapshots(*before, after);
  ASSERT_EQ(diff.changed.size(), 1u);
  EXPECT_EQ(diff.changed[0].after, 17 * MailboxSnapshot::kBlockEntries + 3);
  EXPECT_TRUE(diff.expunged.empty());
  const auto kept = keep_expunged(*before, after);
  EXPECT_EQ(kept->blocks()[18], before->blocks()[18]);
}

}  // namespace
}  // namespace postern::imap

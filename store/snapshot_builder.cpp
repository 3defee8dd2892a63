#include "store/snapshot_builder.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "runtime/assert.hpp"

namespace postern::store {

namespace {

/// A block with fewer entries than this is put together with the one behind it. Expunges thin
/// blocks out; this keeps a snapshot of n messages at no more than 4 n / kBlockEntries of them, and
/// a block is copied for it only where something changed anyway.
constexpr std::size_t kThinBlockEntries = MailboxSnapshot::kBlockEntries / 4;

}  // namespace

void SnapshotTotals::add(const MessageEntry& entry) noexcept {
  ++message_count;
  if (!entry.flags.has(Flag::seen)) ++unseen_count;
  total_octets += entry.size_octets;
}

void SnapshotTotals::remove(const MessageEntry& entry) noexcept {
  --message_count;
  if (!entry.flags.has(Flag::seen)) --unseen_count;
  total_octets -= entry.size_octets;
}

void SnapshotBuilder::append(const MessageEntry& entry) {
  POSTERN_ASSERT(entry.uid > last_uid_);
  last_uid_ = entry.uid;
  if (open_.size() >= MailboxSnapshot::kBlockEntries) close_block();
  if (open_.empty()) open_.reserve(MailboxSnapshot::kBlockEntries);
  open_.push_back(entry);
}

void SnapshotBuilder::append(const MailboxSnapshot::Block& block) {
  POSTERN_ASSERT(block->front().uid > last_uid_);
  last_uid_ = block->back().uid;
  if (open_.empty() || open_.size() >= kThinBlockEntries) {
    close_block();
    blocks_.push_back(block);
    return;
  }
  open_.insert(open_.end(), block->begin(), block->end());
  if (open_.size() <= MailboxSnapshot::kBlockEntries) return;
  // Two halves, both closed: a remainder left open would drag every block behind it into the
  // copying.
  const auto middle = open_.begin() + static_cast<std::ptrdiff_t>(open_.size() / 2);
  std::vector<MessageEntry> second(middle, open_.end());
  open_.erase(middle, open_.end());
  close_block();
  open_ = std::move(second);
  close_block();
}

void SnapshotBuilder::close_block() {
  if (open_.empty()) return;
  open_.shrink_to_fit();
  blocks_.push_back(std::make_shared<const std::vector<MessageEntry>>(std::move(open_)));
  open_.clear();
}

MailboxSnapshotPtr SnapshotBuilder::finish(MailboxHead head) {
  close_block();
  return std::make_shared<const MailboxSnapshot>(std::move(head), std::move(blocks_));
}

namespace {

/// Copies a block with the changes that concern it. Takes those off the front of `changes`.
void append_changed(SnapshotBuilder& builder, const MailboxSnapshot::Block& block,
                    std::span<const SnapshotChange>& changes, SnapshotTotals& totals) {
  for (const MessageEntry& old : *block) {
    while (!changes.empty() && changes.front().uid < old.uid) changes = changes.subspan(1);
    if (changes.empty() || changes.front().uid != old.uid) {
      builder.append(old);
      continue;
    }
    totals.remove(old);
    if (const std::optional<MessageEntry>& now = changes.front().now) {
      POSTERN_ASSERT(now->uid == old.uid);
      totals.add(*now);
      builder.append(*now);
    }
  }
}

}  // namespace

MailboxSnapshotPtr next_snapshot(const MailboxSnapshot& base, MailboxHead head,
                                 std::span<const SnapshotChange> changes,
                                 std::span<const MessageEntry> arrivals, SnapshotTotals& totals) {
  totals = SnapshotTotals::of(base.head());
  SnapshotBuilder builder;
  for (const MailboxSnapshot::Block& block : base.blocks()) {
    while (!changes.empty() && changes.front().uid < block->front().uid) {
      changes = changes.subspan(1);
    }
    const bool concerned = !changes.empty() && changes.front().uid <= block->back().uid;
    const bool filled_up = &block == &base.blocks().back() && !arrivals.empty() &&
                           block->size() < MailboxSnapshot::kBlockEntries;
    if (concerned) {
      append_changed(builder, block, changes, totals);
    } else if (filled_up) {
      for (const MessageEntry& entry : *block) builder.append(entry);
    } else {
      builder.append(block);
    }
  }
  for (const MessageEntry& entry : arrivals) {
    totals.add(entry);
    builder.append(entry);
  }
  return builder.finish(std::move(head));
}

}  // namespace postern::store

#include "sidecars/imap/snapshot_diff.hpp"

#include <memory>
#include <utility>

namespace postern::imap {
namespace {

using store::MailboxSnapshot;
using store::MessageEntry;

/// A place in a snapshot, moved forward by entry or by block.
class Cursor {
 public:
  explicit Cursor(const MailboxSnapshot& snapshot) : blocks_(snapshot.blocks()) {}

  bool at_end() const noexcept { return block_ == blocks_.size(); }
  bool at_block_start() const noexcept { return offset_ == 0; }
  const MailboxSnapshot::Block& block() const noexcept { return blocks_[block_]; }
  const MessageEntry& entry() const noexcept { return (*blocks_[block_])[offset_]; }
  std::uint32_t index() const noexcept { return index_; }
  void next() noexcept {
    ++index_;
    if (++offset_ == blocks_[block_]->size()) {
      offset_ = 0;
      ++block_;
    }
  }
  void next_block() noexcept {
    index_ += static_cast<std::uint32_t>(blocks_[block_]->size());
    ++block_;
  }

 private:
  const std::vector<MailboxSnapshot::Block>& blocks_;
  std::size_t block_ = 0;
  std::size_t offset_ = 0;
  std::uint32_t index_ = 0;
};

bool at_shared_block(const Cursor& before, const Cursor& after) noexcept {
  return before.at_block_start() && after.at_block_start() && before.block() == after.block();
}

/// Collects entries and whole blocks into a list of blocks.
class BlockList {
 public:
  void add(const MessageEntry& entry) {
    open_.push_back(entry);
    if (open_.size() == MailboxSnapshot::kBlockEntries) close();
  }
  void add(const MailboxSnapshot::Block& block) {
    close();
    blocks_.push_back(block);
  }
  std::vector<MailboxSnapshot::Block> take() {
    close();
    return std::move(blocks_);
  }

 private:
  void close() {
    if (open_.empty()) return;
    blocks_.push_back(std::make_shared<const std::vector<MessageEntry>>(std::exchange(open_, {})));
  }

  std::vector<MailboxSnapshot::Block> blocks_;
  std::vector<MessageEntry> open_;
};

}  // namespace

SnapshotDiff diff_snapshots(const MailboxSnapshot& before, const MailboxSnapshot& after) {
  SnapshotDiff diff;
  Cursor old_place(before);
  Cursor new_place(after);
  while (!old_place.at_end() && !new_place.at_end()) {
    if (at_shared_block(old_place, new_place)) {
      old_place.next_block();
      new_place.next_block();
      continue;
    }
    const MessageEntry& old_entry = old_place.entry();
    const MessageEntry& new_entry = new_place.entry();
    if (old_entry.uid == new_entry.uid) {
      if (old_entry.flags != new_entry.flags) {
        diff.changed.push_back({old_place.index(), new_place.index()});
      }
      old_place.next();
      new_place.next();
    } else if (old_entry.uid < new_entry.uid) {
      diff.expunged.push_back(old_place.index());
      old_place.next();
    } else {
      ++diff.added;
      new_place.next();
    }
  }
  for (; !old_place.at_end(); old_place.next()) diff.expunged.push_back(old_place.index());
  for (; !new_place.at_end(); new_place.next_block()) {
    // The first block may be entered already.
    while (!new_place.at_end() && !new_place.at_block_start()) {
      ++diff.added;
      new_place.next();
    }
    if (new_place.at_end()) break;
    diff.added += static_cast<std::uint32_t>(new_place.block()->size());
  }
  return diff;
}

store::MailboxSnapshotPtr keep_expunged(const MailboxSnapshot& before,
                                        const MailboxSnapshot& after) {
  BlockList merged;
  Cursor old_place(before);
  Cursor new_place(after);
  while (!old_place.at_end() || !new_place.at_end()) {
    if (old_place.at_end()) {
      if (new_place.at_block_start()) {
        merged.add(new_place.block());
        new_place.next_block();
      } else {
        merged.add(new_place.entry());
        new_place.next();
      }
    } else if (new_place.at_end()) {
      merged.add(old_place.entry());
      old_place.next();
    } else if (at_shared_block(old_place, new_place)) {
      merged.add(old_place.block());
      old_place.next_block();
      new_place.next_block();
    } else if (old_place.entry().uid < new_place.entry().uid) {
      merged.add(old_place.entry());
      old_place.next();
    } else {
      if (old_place.entry().uid == new_place.entry().uid) old_place.next();
      merged.add(new_place.entry());
      new_place.next();
    }
  }
  return std::make_shared<const MailboxSnapshot>(after.head(), merged.take());
}

}  // namespace postern::imap

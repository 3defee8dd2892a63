// One consistent picture of a mailbox, as a sidecar session sees it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "store/types.hpp"

namespace postern::store {

/// An immutable list of messages in UID order, with the mailbox's head at the same moment. Shared
/// between sessions and threads by shared_ptr<const>. Successive snapshots of one mailbox share the
/// blocks that did not change, so a new flag in a mailbox of 100,000 messages costs one block and
/// not the list, and two snapshots are compared block by block.
class MailboxSnapshot {
 public:
  /// Entries a block holds: 256 * 56 octets = 14 KiB to copy for one change, 400 blocks for 100,000
  /// messages.
  static constexpr std::size_t kBlockEntries = 256;
  using Block = std::shared_ptr<const std::vector<MessageEntry>>;

  MailboxSnapshot(MailboxHead head, std::vector<Block> blocks);
  /// Builds blocks from a sorted list. For tests and first loads.
  static std::shared_ptr<const MailboxSnapshot> from_entries(MailboxHead head,
                                                             std::vector<MessageEntry> entries);

  const MailboxHead& head() const noexcept { return head_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// The entry at sequence number index+1; index < size(). O(log blocks).
  const MessageEntry& operator[](std::size_t index) const noexcept;
  /// Index of the first entry whose uid >= `uid`; size() if none. O(log).
  std::size_t lower_bound(Uid uid) const noexcept;
  /// Index of `uid`, or size() when it is not there.
  std::size_t index_of(Uid uid) const noexcept;
  const std::vector<Block>& blocks() const noexcept { return blocks_; }

 private:
  MailboxHead head_;
  std::vector<Block> blocks_;             // none empty
  std::vector<std::size_t> first_index_;  // of each block
  std::size_t size_ = 0;
};

using MailboxSnapshotPtr = std::shared_ptr<const MailboxSnapshot>;

}  // namespace postern::store

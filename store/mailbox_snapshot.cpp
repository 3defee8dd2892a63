#include "store/mailbox_snapshot.hpp"

#include <algorithm>
#include <utility>

#include "runtime/assert.hpp"
#include "store/snapshot_builder.hpp"

namespace postern::store {

MailboxSnapshot::MailboxSnapshot(MailboxHead head, std::vector<Block> blocks)
    : head_(std::move(head)), blocks_(std::move(blocks)) {
  first_index_.reserve(blocks_.size());
  for (const Block& block : blocks_) {
    POSTERN_ASSERT(block != nullptr && !block->empty());
    first_index_.push_back(size_);
    size_ += block->size();
  }
}

std::shared_ptr<const MailboxSnapshot> MailboxSnapshot::from_entries(
    MailboxHead head, std::vector<MessageEntry> entries) {
  SnapshotBuilder builder;
  for (const MessageEntry& entry : entries) builder.append(entry);
  return builder.finish(std::move(head));
}

const MessageEntry& MailboxSnapshot::operator[](std::size_t index) const noexcept {
  POSTERN_ASSERT(index < size_);
  const auto behind = std::ranges::upper_bound(first_index_, index);
  const auto block = static_cast<std::size_t>(behind - first_index_.begin()) - 1;
  return (*blocks_[block])[index - first_index_[block]];
}

std::size_t MailboxSnapshot::lower_bound(Uid uid) const noexcept {
  const auto block =
      std::ranges::lower_bound(blocks_, uid, {}, [](const Block& b) { return b->back().uid; });
  if (block == blocks_.end()) return size_;
  const auto entry = std::ranges::lower_bound(**block, uid, {}, &MessageEntry::uid);
  return first_index_[static_cast<std::size_t>(block - blocks_.begin())] +
         static_cast<std::size_t>(entry - (*block)->begin());
}

std::size_t MailboxSnapshot::index_of(Uid uid) const noexcept {
  const std::size_t index = lower_bound(uid);
  return index < size_ && (*this)[index].uid == uid ? index : size_;
}

}  // namespace postern::store

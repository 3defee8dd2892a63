// Makes mailbox snapshots: from all messages of a mailbox, or from an older snapshot and what
// changed since.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "store/mailbox_snapshot.hpp"
#include "store/types.hpp"

namespace postern::store {

/// The counters of a MailboxHead that follow from its messages.
struct SnapshotTotals {
  std::uint32_t message_count = 0;
  std::uint32_t unseen_count = 0;  ///< without \Seen
  std::uint64_t total_octets = 0;

  static SnapshotTotals of(const MailboxHead& head) noexcept {
    return {head.message_count, head.unseen_count, head.total_octets};
  }
  void add(const MessageEntry& entry) noexcept;
  void remove(const MessageEntry& entry) noexcept;
  friend bool operator==(const SnapshotTotals&, const SnapshotTotals&) = default;
};

/// A message that an older snapshot knows, as it is now.
struct SnapshotChange {
  Uid uid = 0;
  std::optional<MessageEntry> now;  ///< nullopt: expunged
};

/// Collects messages in ascending uid order into blocks. One use, one thread.
class SnapshotBuilder {
 public:
  /// Every uid must be greater than those before it.
  void append(const MessageEntry& entry);
  /// A whole block of another snapshot: shared, unless the block before it is so small that the two
  /// are better put together.
  void append(const MailboxSnapshot::Block& block);
  /// The snapshot of everything appended. The head is taken as it is: its counters are the caller's
  /// business.
  MailboxSnapshotPtr finish(MailboxHead head);

 private:
  void close_block();

  std::vector<MailboxSnapshot::Block> blocks_;
  std::vector<MessageEntry> open_;  // the block being filled
  Uid last_uid_ = 0;
};

/// The snapshot after `changes` (ascending by uid, each uid once; uids that `base` does not hold
/// are passed over) and `arrivals` (ascending, all above base's uids). Blocks without a change are
/// shared with `base`; blocks that lost most of their messages are merged with a neighbour.
/// `totals` is what the messages of the result add up to, provided base.head() is right about base.
/// Cost: blocks + changes + arrivals.
MailboxSnapshotPtr next_snapshot(const MailboxSnapshot& base, MailboxHead head,
                                 std::span<const SnapshotChange> changes,
                                 std::span<const MessageEntry> arrivals, SnapshotTotals& totals);

}  // namespace postern::store

// The latest snapshots of the mailboxes in use, shared by all sessions of a process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

#include "store/mailbox_snapshot.hpp"
#include "store/types.hpp"

namespace postern::store {

/// Bounded by messages, least recently used first out. A session that still holds a snapshot keeps
/// its blocks alive, so dropping one here never invalidates anything. Any thread.
class SnapshotCache {
 public:
  /// What an empty mailbox counts for: its snapshot is not free either.
  static constexpr std::size_t kEntriesOfASnapshot = 16;

  /// Holds snapshots of at most `entries_max` messages in all; 0: holds nothing.
  explicit SnapshotCache(std::size_t entries_max) : entries_max_(entries_max) {}

  /// The latest snapshot that was put for `mailbox`, or null.
  MailboxSnapshotPtr get(MailboxId mailbox);
  /// Keeps `snapshot` unless a newer one (by highest_modseq, same uid_validity) is here already, or
  /// it alone would fill more than half of the cache.
  void put(MailboxSnapshotPtr snapshot);
  void clear();

  std::size_t entries() const;
  std::size_t snapshots() const;

 private:
  using Order = std::list<MailboxSnapshotPtr>;

  static std::size_t cost(const MailboxSnapshot& snapshot) noexcept {
    return snapshot.size() + kEntriesOfASnapshot;
  }
  void erase(Order::iterator entry);

  const std::size_t entries_max_;
  mutable std::mutex mutex_;
  Order order_;  // most recently used in front
  std::unordered_map<std::uint64_t, Order::iterator> by_mailbox_;
  std::size_t entries_ = 0;
};

}  // namespace postern::store

// What happened between two pictures of one mailbox. Pure functions; blocks that both share are
// skipped, so one new flag among 100,000 messages costs a block and not the list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "store/mailbox_snapshot.hpp"

namespace postern::imap {

/// Differences from `before` to `after`.
struct SnapshotDiff {
  /// A message that is in both with different flags, as indices.
  struct Change {
    std::uint32_t before = 0;
    std::uint32_t after = 0;
    friend bool operator==(const Change&, const Change&) = default;
  };
  std::vector<std::uint32_t> expunged;  ///< indices in `before`, ascending
  std::vector<Change> changed;          ///< ascending
  std::uint32_t added = 0;              ///< messages only in `after`
  friend bool operator==(const SnapshotDiff&, const SnapshotDiff&) = default;
};

/// Both of the same mailbox. Added messages are those of `after` that `before` does not have: the
/// last ones.
SnapshotDiff diff_snapshots(const store::MailboxSnapshot& before,
                            const store::MailboxSnapshot& after);

/// `after`, but with the messages that only `before` has: what a client may be told of while no
/// EXPUNGE may be sent, with every sequence number of `before` still right. Unchanged blocks are
/// shared.
store::MailboxSnapshotPtr keep_expunged(const store::MailboxSnapshot& before,
                                        const store::MailboxSnapshot& after);

}  // namespace postern::imap

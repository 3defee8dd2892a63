// The maildrop of one session: the list of messages as it was at login, and which of them are
// marked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "store/mailbox_snapshot.hpp"
#include "store/types.hpp"

namespace postern::pop3 {

/// A frozen snapshot (POP-03) with deletion marks. Message-numbers are 1..count() in uid order.
/// Sizes and unique-ids come from the rows alone; no body is read. Owned by one session.
class Maildrop {
 public:
  Maildrop() = default;
  explicit Maildrop(store::MailboxSnapshotPtr snapshot);

  /// Messages at login, marked ones included: the highest message-number.
  std::size_t count() const noexcept { return snapshot_ ? snapshot_->size() : 0; }
  /// True if `number` is a message-number that is not marked. Any value may be asked.
  bool available(std::uint64_t number) const noexcept;
  /// True if `number` is a message-number, marked or not.
  bool exists(std::uint64_t number) const noexcept { return number >= 1 && number <= count(); }
  /// The row of a message; exists(number).
  const store::MessageEntry& entry(std::uint64_t number) const noexcept;

  /// Marks an available message (DELE).
  void mark_deleted(std::uint64_t number);
  /// Removes all marks (RSET).
  void reset_marks() noexcept;
  /// Notes that a message was sent whole (RETR); existing number. RSET does not undo it.
  void note_retrieved(std::uint64_t number);
  /// RFC 2449 6.7: marks what was retrieved, as if the client had sent DELE for it.
  void mark_retrieved();

  /// What STAT counts: messages not marked, and the sum of their sizes.
  std::uint64_t available_count() const noexcept { return count() - marked_count_; }
  std::uint64_t available_octets() const noexcept { return total_octets_ - marked_octets_; }
  std::uint64_t marked_count() const noexcept { return marked_count_; }
  /// Exactly the uids of the marked messages, as ascending disjoint ranges. Neighbours share a
  /// range only when no uid lies between them: a range never names a uid that was not marked
  /// (POP-13).
  std::vector<store::UidRange> marked_uids() const;

  store::MailboxId mailbox() const noexcept;

 private:
  store::MailboxSnapshotPtr snapshot_;
  std::vector<bool> marked_;     // by number - 1; empty until the first DELE
  std::vector<bool> retrieved_;  // by number - 1; empty until the first note
  std::uint64_t marked_count_ = 0;
  std::uint64_t marked_octets_ = 0;
  std::uint64_t total_octets_ = 0;
};

}  // namespace postern::pop3

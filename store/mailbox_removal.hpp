// Removing the messages of deleted mailboxes, a step at a time.
#pragma once

#include <deque>
#include <vector>

#include "runtime/result.hpp"
#include "store/row_batch.hpp"

namespace postern::store {

/// Row thread. Which mailboxes are left to do is in the meta family; where it stands in one is not:
/// after a restart it passes the expunged messages again.
class MailboxRemoval {
 public:
  explicit MailboxRemoval(Database& database) : database_(database) {}

  void add(MailboxId mailbox) { queue_.push_back(mailbox); }
  bool idle() const noexcept { return queue_.empty(); }

  /// Stages the next step. An error leaves no trace; the mailbox goes to the end of the queue.
  Result<void> stage(RowBatch& batch);
  /// The group with the staged step is durable.
  void committed();

 private:
  Database& database_;
  std::deque<MailboxId> queue_;
  Uid next_uid_ = 1;    // in the first mailbox of the queue
  Uid staged_uid_ = 0;  // next_uid_ once the step is durable; 0: the mailbox is done
  bool staged_ = false;
};

}  // namespace postern::store

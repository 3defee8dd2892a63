// What an accepted message becomes in mail/: a row in every local mailbox, one queue row for the
// rest.
#pragma once

#include <string>
#include <vector>

#include "store/row_batch.hpp"
#include "store/spool.hpp"

namespace postern::store {

/// Row thread. Keeps its scratch space from message to message.
class Delivery {
 public:
  explicit Delivery(Database& database) : database_(database) {}

  /// Stages the rows of a message whose octets are durable. false: the message cannot be delivered
  /// as its envelope says (a mailbox is gone, a read failed); outcome and error are set, nothing is
  /// staged.
  bool stage(RowBatch& batch, SpoolRequest& request);

 private:
  Database& database_;
  std::vector<MailboxId> targets_;
  std::vector<CachedMailbox*> mailboxes_;
  std::string queue_row_;
};

}  // namespace postern::store

#include "store/mailbox_removal.hpp"

#include <limits>

#include "store/mutation_apply.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

namespace {

// Messages a step removes: some 3000 rows, a few milliseconds, so that mail that waits meanwhile
// does not notice.
constexpr std::size_t kStepMessages = 1000;

}  // namespace

Result<void> MailboxRemoval::stage(RowBatch& batch) {
  staged_ = false;
  if (queue_.empty()) return {};
  const MailboxId mailbox = queue_.front();
  std::vector<MessageState> messages;
  Result<void> done;
  auto head = batch.deleted_mailbox(mailbox);
  if (head) {
    done = batch.each_message(mailbox, {UidRange{next_uid_, std::numeric_limits<Uid>::max()}},
                              [&](const MessageState& state) {
                                messages.push_back(state);
                                return messages.size() < kStepMessages;
                              });
    if (done) done = stage_removal(batch, **head, messages);
  } else {
    done = std::unexpected(head.error());
  }
  if (!done) {
    queue_.pop_front();
    queue_.push_back(mailbox);
    next_uid_ = 1;
    return done;
  }
  const bool last = messages.size() < kStepMessages;
  if (last) batch.remove(database_.meta(), schema::doomed_mailbox_key(mailbox));
  staged_uid_ = last ? 0 : messages.back().uid + 1;
  staged_ = true;
  return {};
}

void MailboxRemoval::committed() {
  if (!staged_) return;
  staged_ = false;
  if (staged_uid_ != 0) {
    next_uid_ = staged_uid_;
    return;
  }
  queue_.pop_front();
  next_uid_ = 1;
}

}  // namespace postern::store

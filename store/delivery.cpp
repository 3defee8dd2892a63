#include "store/delivery.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "runtime/assert.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

bool Delivery::stage(RowBatch& batch, SpoolRequest& request) {
  targets_.clear();
  bool relayed = false;
  for (const EnvelopeRecipient& recipient : request.envelope.recipients) {
    relayed |= recipient.mailboxes.empty();
    targets_.insert(targets_.end(), recipient.mailboxes.begin(), recipient.mailboxes.end());
  }
  // A mailbox that several recipients lead to gets the message once.
  if (targets_.size() > 1) {
    std::ranges::sort(targets_);
    const auto rest = std::ranges::unique(targets_);
    targets_.erase(rest.begin(), rest.end());
  }
  POSTERN_ASSERT(relayed || !targets_.empty());

  mailboxes_.clear();
  for (const MailboxId target : targets_) {
    auto mailbox = batch.mailbox(target);
    // Deleted since RCPT TO: the client tries again and is told then which recipient is gone.
    const bool full = mailbox && (*mailbox)->head.uid_next == std::numeric_limits<Uid>::max();
    if (!mailbox || full) {
      request.outcome = SpoolOutcome::failed;
      request.error = fmt::format("mailbox {}: {}", raw(target),
                                  mailbox ? "no uids left" : mailbox.error().message);
      return false;
    }
    mailboxes_.push_back(*mailbox);
  }

  const schema::MessageRowOctets row = schema::encode_live_row(
      FlagSet{}, request.body, request.size_octets, request.arrival_unix_ms);
  for (CachedMailbox* mailbox : mailboxes_) {
    MailboxHead& head = mailbox->head;
    ++head.highest_modseq;
    batch.put_arrival(head.id, head.uid_next, head.highest_modseq, row);
    ++head.uid_next;
    ++head.message_count;
    ++head.unseen_count;
    head.total_octets += request.size_octets;
    batch.touch(*mailbox);
    if (request.quota_note) {
      batch.put(database_.meta(), schema::quota_note_key(head.id),
                schema::encode_quota_note(*request.quota_note));
    }
  }
  if (relayed) {
    queue_row_.clear();
    schema::append_queue_row(queue_row_, request);
    batch.put(database_.queue(), schema::body_id_key(request.body), queue_row_);
  }
  batch.put_references(request.body,
                       static_cast<std::uint32_t>(mailboxes_.size() + (relayed ? 1 : 0)));
  return true;
}

}  // namespace postern::store

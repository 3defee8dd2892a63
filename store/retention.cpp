#include "store/retention.hpp"

#include <utility>

namespace postern::store {

RetentionSweep::RetentionSweep(const Engine& engine, DirectoryPtr directory,
                               const MailboxPolicy& defaults, std::int64_t now_unix_ms)
    : engine_(engine) {
  // Most servers keep everything: then no account is looked at.
  if (defaults.keep.count() == 0 && directory->settings_in_use().empty()) return;
  for (const Account* account : directory->accounts()) {
    const MailboxPolicy policy = MailboxPolicy::of(account->settings, defaults);
    if (policy.keep.count() == 0) continue;
    targets_.push_back(
        {.account = account->id, .before_unix_ms = now_unix_ms - policy.keep.count() * 1000});
  }
}

Result<std::optional<Expunge>> RetentionSweep::step() {
  if (targets_.empty()) return std::nullopt;
  const Target& target = targets_.back();
  if (!folders_known_) {
    auto mailboxes = engine_.list_mailboxes(target.account);
    if (!mailboxes) {
      targets_.pop_back();
      return std::unexpected(mailboxes.error());
    }
    mailboxes_ = std::move(*mailboxes);
    folders_known_ = true;
    next_uid_ = 1;
  }
  if (mailboxes_.empty()) {
    targets_.pop_back();
    folders_known_ = false;
    return std::nullopt;
  }
  const MailboxId mailbox = mailboxes_.back();
  auto found =
      engine_.find_older(mailbox, target.before_unix_ms, next_uid_,
                         {.rows_max = kRetentionStepRows, .messages_max = kRetentionBatchMessages});
  if (!found || found->complete) {
    mailboxes_.pop_back();
    next_uid_ = 1;
  } else {
    next_uid_ = found->next_uid;
  }
  if (!found) return std::unexpected(found.error());
  if (found->uids.empty()) return std::nullopt;
  return Expunge{.mailbox = mailbox, .uids = std::move(found->uids), .only_deleted = false};
}

}  // namespace postern::store

// Retention (POP-20): finds the messages that are older than their account's policy keeps them.
//
// Reads beside the row thread and changes nothing itself: what it finds is removed by an ordinary
// Expunge, which names exactly those uids. A uid's date never changes, so a message that was too
// old when it was found is too old when it is removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/result.hpp"
#include "store/account_settings.hpp"
#include "store/directory.hpp"
#include "store/engine.hpp"
#include "store/mutation.hpp"

namespace postern::store {

/// Messages one Expunge of the sweep removes. Each costs the row thread some reads, and everybody's
/// mail waits for it: this many are some milliseconds.
inline constexpr std::size_t kRetentionBatchMessages = 500;
/// Rows one step looks at, some 10 ms of a worker: a mailbox of 100,000 young messages must not
/// hold a worker from the logins.
inline constexpr std::size_t kRetentionStepRows = 20'000;

/// One walk over all mailboxes, in steps. One thread at a time. The engine outlives it.
class RetentionSweep {
 public:
  /// Ages are taken from `now_unix_ms`. Accounts follow `defaults` unless they have settings.
  RetentionSweep(const Engine& engine, DirectoryPtr directory, const MailboxPolicy& defaults,
                 std::int64_t now_unix_ms);

  /// Worker threads (blocks on the disk). The next Expunge to apply, or nullopt with done() false:
  /// nothing found in this step. An error skips the mailbox; the next step goes on behind it.
  Result<std::optional<Expunge>> step();
  /// Nothing is left to look at.
  bool done() const noexcept { return targets_.empty(); }

 private:
  struct Target {
    AccountId account{};
    std::int64_t before_unix_ms = 0;
  };

  const Engine& engine_;
  std::vector<Target> targets_;       // the last one is being looked at
  std::vector<MailboxId> mailboxes_;  // of that account, not yet done; the last one is next
  bool folders_known_ = false;
  Uid next_uid_ = 1;
};

}  // namespace postern::store

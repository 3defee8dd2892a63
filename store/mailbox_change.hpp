// What the change feed says: mailbox m reached modseq n.
#pragma once

#include <functional>
#include <span>

#include "store/types.hpp"

namespace postern::store {

/// A mailbox changed; its highest modseq is now (at least) this.
struct MailboxChange {
  MailboxId mailbox{};
  ModSeq modseq = 0;
};

/// Told after each durable group of changes: every mailbox in it once, and a position that shows
/// them all.
using ChangeListener = std::function<void(std::span<const MailboxChange>, StorePosition)>;

}  // namespace postern::store

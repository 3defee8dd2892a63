// The heads of recently used mailboxes, so that a delivery reads nothing.
#pragma once

#include <cstddef>
#include <list>
#include <rocksdb/iterator.h>
#include <unordered_map>

#include "runtime/result.hpp"
#include "store/types.hpp"

namespace postern::store {

/// A mailbox in the cache. `touched` heads differ from their row and are pinned until their group
/// ends.
struct CachedMailbox {
  MailboxHead head;
  bool touched = false;
};

/// Row thread only. Least recently used mailboxes are dropped by trim().
class MailboxCache {
 public:
  /// Some 200 octets each: 25 MiB for every mailbox that got mail lately.
  static constexpr std::size_t kMailboxesMax = 128 * 1024;

  /// The cached mailbox, nullptr when it is not here. Pointers stay valid until forget() or trim().
  CachedMailbox* find(MailboxId mailbox);
  /// Adds one that is not here.
  CachedMailbox& insert(MailboxHead head);
  void forget(MailboxId mailbox);
  /// Between groups, when nothing is touched.
  void trim();

 private:
  using Entries = std::list<CachedMailbox>;
  Entries entries_;  // most recently used first
  std::unordered_map<MailboxId, Entries::iterator> index_;
};

/// Reads the newest head row with `rows`, an iterator over the tailed family. not_found: no such
/// mailbox.
Result<MailboxHead> read_head(rocksdb::Iterator& rows, MailboxId mailbox);

}  // namespace postern::store

#include "store/snapshot_cache.hpp"

#include <utility>

namespace postern::store {

MailboxSnapshotPtr SnapshotCache::get(MailboxId mailbox) {
  const std::lock_guard guard(mutex_);
  const auto found = by_mailbox_.find(raw(mailbox));
  if (found == by_mailbox_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return *found->second;
}

void SnapshotCache::put(MailboxSnapshotPtr snapshot) {
  const MailboxHead& head = snapshot->head();
  // What is thrown out is freed after the lock: a mailbox of a million messages takes a while.
  Order dropped;
  const std::lock_guard guard(mutex_);
  const auto found = by_mailbox_.find(raw(head.id));
  if (found != by_mailbox_.end()) {
    const MailboxHead& kept = (*found->second)->head();
    if (kept.uid_validity == head.uid_validity && kept.highest_modseq > head.highest_modseq) return;
    dropped.push_back(*found->second);
    erase(found->second);
  }
  if (cost(*snapshot) > entries_max_ / 2) return;
  entries_ += cost(*snapshot);
  order_.push_front(std::move(snapshot));
  by_mailbox_.emplace(raw(order_.front()->head().id), order_.begin());
  while (entries_ > entries_max_) {
    dropped.push_back(order_.back());
    erase(std::prev(order_.end()));
  }
}

void SnapshotCache::erase(Order::iterator entry) {
  entries_ -= cost(**entry);
  by_mailbox_.erase(raw((*entry)->head().id));
  order_.erase(entry);
}

void SnapshotCache::clear() {
  Order dropped;
  const std::lock_guard guard(mutex_);
  dropped.swap(order_);
  by_mailbox_.clear();
  entries_ = 0;
}

std::size_t SnapshotCache::entries() const {
  const std::lock_guard guard(mutex_);
  return entries_;
}

std::size_t SnapshotCache::snapshots() const {
  const std::lock_guard guard(mutex_);
  return order_.size();
}

}  // namespace postern::store

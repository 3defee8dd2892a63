#include "store/mailbox_cache.hpp"

#include <utility>

#include "runtime/assert.hpp"
#include "store/database.hpp"
#include "store/schema.hpp"

namespace postern::store {

CachedMailbox* MailboxCache::find(MailboxId mailbox) {
  const auto found = index_.find(mailbox);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &*found->second;
}

CachedMailbox& MailboxCache::insert(MailboxHead head) {
  const MailboxId id = head.id;
  entries_.push_front(CachedMailbox{.head = std::move(head)});
  const bool is_new = index_.emplace(id, entries_.begin()).second;
  POSTERN_ASSERT(is_new);
  return entries_.front();
}

void MailboxCache::forget(MailboxId mailbox) {
  const auto found = index_.find(mailbox);
  if (found == index_.end()) return;
  entries_.erase(found->second);
  index_.erase(found);
}

void MailboxCache::trim() {
  while (entries_.size() > kMailboxesMax) {
    POSTERN_ASSERT(!entries_.back().touched);
    index_.erase(entries_.back().head.id);
    entries_.pop_back();
  }
}

Result<MailboxHead> read_head(rocksdb::Iterator& rows, MailboxId mailbox) {
  const schema::OwnerPrefix prefix = schema::head_prefix(mailbox);
  rows.Seek(to_slice(prefix));
  if (!rows.Valid()) {
    if (!rows.status().ok()) return std::unexpected(to_error(rows.status(), "reading a mailbox"));
    return fail(ErrorCode::not_found, "no such mailbox");
  }
  if (!to_view(rows.key()).starts_with(prefix.view())) {
    return fail(ErrorCode::not_found, "no such mailbox");
  }
  const auto key = schema::parse_head_key(to_view(rows.key()));
  if (!key) return std::unexpected(key.error());
  return schema::decode_head(*key, to_view(rows.value()));
}

}  // namespace postern::store

#include "store/mailbox_scan.hpp"

#include <memory>
#include <rocksdb/iterator.h>
#include <string>
#include <string_view>

#include "store/schema.hpp"

namespace postern::store {

Result<std::vector<MailboxId>> scan_mailboxes(Database& database, AccountId account) {
  const schema::OwnerPrefix prefix = schema::folder_prefix(account);
  const std::unique_ptr<rocksdb::Iterator> it(
      database.mail().NewIterator(rocksdb::ReadOptions(), database.rows()));
  std::vector<MailboxId> mailboxes;
  MailboxId previous{};
  for (it->Seek(to_slice(prefix)); it->Valid() && to_view(it->key()).starts_with(prefix.view());
       it->Next()) {
    const auto key = schema::parse_folder_key(to_view(it->key()));
    if (!key) return std::unexpected(key.error());
    if (key->mailbox == previous) continue;  // an older version
    previous = key->mailbox;
    const auto row = schema::decode_folder_row(to_view(it->value()));
    if (!row) return std::unexpected(row.error());
    if (!row->deleted) mailboxes.push_back(key->mailbox);
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading a folder list"));
  return mailboxes;
}

Result<OlderMessages> scan_older(Database& database, MailboxId mailbox, std::int64_t before_unix_ms,
                                 Uid from, const ScanLimits& limits) {
  const std::string end = schema::prefix_end(schema::message_prefix(mailbox));
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  // Old mailboxes would push everybody's fresh rows out of the cache.
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(
      database.mail().NewIterator(options, database.rows()));
  OlderMessages found;
  std::size_t rows = 0;
  std::size_t messages = 0;
  Uid previous = 0;
  for (it->Seek(to_slice(schema::message_uid_prefix(mailbox, from))); it->Valid(); it->Next()) {
    const auto key = schema::parse_message_key(to_view(it->key()));
    if (!key) return std::unexpected(key.error());
    ++rows;
    if (key->uid == previous) continue;  // an older version
    if (rows > limits.rows_max || messages == limits.messages_max) {
      found.next_uid = key->uid;
      return found;
    }
    previous = key->uid;
    const auto row = schema::decode_message_row(to_view(it->value()));
    if (!row) return std::unexpected(row.error());
    if (row->kind != schema::MessageRow::Kind::live || row->internal_date_ms >= before_unix_ms)
      continue;
    ++messages;
    if (!found.uids.empty() && found.uids.back().last + 1 == key->uid)
      found.uids.back().last = key->uid;
    else
      found.uids.push_back({key->uid, key->uid});
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading a mailbox"));
  found.complete = true;
  return found;
}

}  // namespace postern::store

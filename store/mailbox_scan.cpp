#include "store/mailbox_scan.hpp"

#include <memory>
#include <rocksdb/iterator.h>
#include <string>
#include <string_view>

#include "store/schema.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

namespace {

// Older versions of one head that are stepped over before the iterator seeks behind them instead:
// a step costs about a tenth of a seek.
constexpr int kStepsBeforeSeek = 8;

}  // namespace

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

Result<void> load_quotas(Database& database, const Directory& directory, MailboxQuotas& quotas) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database.mail().NewIterator(rocksdb::ReadOptions(), database.rows()));
  constexpr char kPrefix = static_cast<char>(schema::RowKind::head);
  MailboxId previous{};
  int steps = 0;
  it->Seek(rocksdb::Slice(&kPrefix, 1));
  while (it->Valid() && it->key().starts_with(rocksdb::Slice(&kPrefix, 1))) {
    const auto key = schema::parse_head_key(to_view(it->key()));
    if (!key) return std::unexpected(key.error());
    if (key->mailbox == previous && ++steps >= kStepsBeforeSeek) {
      it->Seek(to_slice(schema::head_prefix(MailboxId{raw(previous) + 1})));
      steps = 0;
      continue;
    }
    if (key->mailbox != previous) {
      previous = key->mailbox;
      steps = 0;
      const auto head = schema::decode_head(*key, to_view(it->value()));
      if (!head) return std::unexpected(head.error());
      if (!head->deleted) quotas.set_used(head->id, head->total_octets);
    }
    it->Next();
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading mailboxes"));
  directory.each_account([&quotas](const Account& account) {
    quotas.set_limit(account.inbox, account.settings.quota_octets);
  });
  return {};
}

Result<std::vector<MailboxNote>> scan_quota_notes(Database& database) {
  const std::unique_ptr<rocksdb::Iterator> it(
      database.mail().NewIterator(rocksdb::ReadOptions(), database.meta()));
  std::vector<MailboxNote> notes;
  for (it->Seek(to_slice(schema::kQuotaNotePrefix));
       it->Valid() && to_view(it->key()).starts_with(schema::kQuotaNotePrefix); it->Next()) {
    const auto mailbox = schema::parse_quota_note_key(to_view(it->key()));
    if (!mailbox) return std::unexpected(mailbox.error());
    const auto note = schema::decode_quota_note(to_view(it->value()));
    if (!note) return std::unexpected(note.error());
    notes.push_back({.mailbox = *mailbox, .note = *note});
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading quota notes"));
  return notes;
}

}  // namespace postern::store

#include "store/mailbox_reader.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "store/schema.hpp"
#include "store/secondary_db.hpp"

namespace postern::store {

namespace {

/// Versions of one message stepped over before a seek is cheaper than walking on.
constexpr int kVersionsSteppedOver = 8;

/// An incremental read looks each changed message up (some microseconds); a full one walks all
/// (some tenths of a microsecond each). Up to this many changes, or a quarter of the mailbox,
/// looking up wins.
constexpr std::size_t kLookUpsAlways = 512;

rocksdb::Slice slice(std::string_view octets) { return {octets.data(), octets.size()}; }

/// An iterator over [from, end), positioned at its first row.
class Range {
 public:
  Range(rocksdb::DB& rows, std::string_view from, std::string end)
      : end_(std::move(end)), end_slice_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &end_slice_;
    rows_.reset(rows.NewIterator(options));
    rows_->Seek(slice(from));
  }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

  bool valid() const { return rows_->Valid(); }
  void next() { rows_->Next(); }
  void seek(std::string_view key) { rows_->Seek(slice(key)); }
  std::string_view key() const { return {rows_->key().data(), rows_->key().size()}; }
  std::string_view value() const { return {rows_->value().data(), rows_->value().size()}; }
  /// After valid() turned false: was it the end, or an error?
  Result<void> finished(std::string_view what) const {
    if (rows_->status().ok()) return {};
    return std::unexpected(read_error(rows_->status(), what));
  }

 private:
  std::string end_;
  rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> rows_;
};

std::string reading(MailboxId mailbox) { return fmt::format("reading mailbox {}", raw(mailbox)); }

/// A damaged row, said with the mailbox it is in.
std::unexpected<Error> in_mailbox(Error error, MailboxId mailbox) {
  return fail(error.code, fmt::format("{}: {}", reading(mailbox), error.message));
}

/// The row the range stands at: its uid and its state.
struct MessageState {
  Uid uid = 0;
  std::optional<MessageEntry> entry;  // nullopt: expunged
};

Result<MessageState> state_at(const Range& rows) {
  const Result<schema::MessageKeyParts> key = schema::parse_message_key(rows.key());
  if (!key) return std::unexpected(key.error());
  const Result<schema::MessageRow> row = schema::decode_message_row(rows.value());
  if (!row) return std::unexpected(row.error());
  MessageState state{.uid = key->uid, .entry = {}};
  if (row->kind == schema::MessageRow::Kind::live) state.entry = schema::to_entry(*key, *row);
  return state;
}

/// Behind the last version of `uid`, at which the range stands.
void skip_versions(Range& rows, MailboxId mailbox, Uid uid) {
  const schema::UidPrefix versions = schema::message_uid_prefix(mailbox, uid);
  for (int i = 0; i < kVersionsSteppedOver; ++i) {
    rows.next();
    if (!rows.valid() || !rows.key().starts_with(versions.view())) return;
  }
  rows.seek(schema::prefix_end(versions));
}

/// Calls `each` for every live message with first <= uid < head.uid_next, ascending.
template <class Each>
Result<void> for_each_message(rocksdb::DB& db, const MailboxHead& head, Uid first, Each each) {
  Range rows(db, schema::message_uid_prefix(head.id, first),
             schema::message_uid_prefix(head.id, head.uid_next).string());
  while (rows.valid()) {
    const Result<MessageState> state = state_at(rows);
    if (!state) return in_mailbox(state.error(), head.id);
    if (state->entry) each(*state->entry);
    skip_versions(rows, head.id, state->uid);
  }
  return rows.finished(reading(head.id));
}

/// Which uids below `base`'s uid_next changed after it, ascending, each once; nullopt: more than
/// `most`.
Result<std::optional<std::vector<Uid>>> changed_uids(rocksdb::DB& db, const MailboxHead& head,
                                                     const MailboxHead& base, std::size_t most) {
  std::vector<Uid> uids;
  Range changes(db, schema::change_from(head.id, base.highest_modseq + 1),
                schema::prefix_end(schema::change_prefix(head.id)));
  for (; changes.valid(); changes.next()) {
    const Result<schema::ChangeKeyParts> key = schema::parse_change_key(changes.key());
    if (!key) return in_mailbox(key.error(), head.id);
    if (key->uid >= base.uid_next) continue;  // among the arrivals
    uids.push_back(key->uid);
    if (uids.size() > most) return std::nullopt;
  }
  if (Result<void> end = changes.finished(reading(head.id)); !end) {
    return std::unexpected(std::move(end.error()));
  }
  std::ranges::sort(uids);
  const auto repeated = std::ranges::unique(uids);
  uids.erase(repeated.begin(), repeated.end());
  return uids;
}

/// The present state of each of `uids`. A uid without any row was expunged and cleared away.
Result<std::vector<SnapshotChange>> look_up(rocksdb::DB& db, MailboxId mailbox,
                                            const std::vector<Uid>& uids) {
  std::vector<SnapshotChange> changes;
  if (uids.empty()) return changes;
  changes.reserve(uids.size());
  Range rows(db, schema::message_uid_prefix(mailbox, uids.front()),
             schema::prefix_end(schema::message_prefix(mailbox)));
  for (const Uid uid : uids) {
    const schema::UidPrefix versions = schema::message_uid_prefix(mailbox, uid);
    rows.seek(versions);
    SnapshotChange& change = changes.emplace_back(SnapshotChange{.uid = uid, .now = {}});
    if (!rows.valid()) {
      if (Result<void> end = rows.finished(reading(mailbox)); !end) {
        return std::unexpected(std::move(end.error()));
      }
      continue;
    }
    if (!rows.key().starts_with(versions.view())) continue;
    Result<MessageState> state = state_at(rows);
    if (!state) return in_mailbox(state.error(), mailbox);
    change.now = std::move(state->entry);
  }
  return changes;
}

}  // namespace

Result<MailboxHead> read_head(rocksdb::DB& rows, MailboxId mailbox) {
  const schema::OwnerPrefix prefix = schema::head_prefix(mailbox);
  const Range heads(rows, prefix, schema::prefix_end(prefix));
  if (!heads.valid()) {
    if (Result<void> end = heads.finished(reading(mailbox)); !end) {
      return std::unexpected(std::move(end.error()));
    }
    return fail(ErrorCode::not_found, fmt::format("there is no mailbox {}", raw(mailbox)));
  }
  const Result<schema::HeadKeyParts> key = schema::parse_head_key(heads.key());
  if (!key) return in_mailbox(key.error(), mailbox);
  Result<MailboxHead> head = schema::decode_head(*key, heads.value());
  if (!head) return in_mailbox(head.error(), mailbox);
  if (head->deleted)
    return fail(ErrorCode::not_found, fmt::format("mailbox {} was deleted", raw(mailbox)));
  return head;
}

Result<std::vector<Folder>> read_folders(rocksdb::DB& rows, AccountId account) {
  const std::string what = fmt::format("reading the folders of account {}", raw(account));
  const schema::OwnerPrefix prefix = schema::folder_prefix(account);
  std::vector<Folder> folders;
  MailboxId previous{};
  Range range(rows, prefix, schema::prefix_end(prefix));
  for (; range.valid(); range.next()) {
    const Result<schema::FolderKeyParts> key = schema::parse_folder_key(range.key());
    if (!key) return fail(key.error().code, what + ": " + key.error().message);
    if (key->mailbox == previous) continue;  // an older version
    previous = key->mailbox;
    Result<schema::FolderRow> row = schema::decode_folder_row(range.value());
    if (!row) return fail(row.error().code, what + ": " + row.error().message);
    if (row->deleted) continue;
    folders.push_back(
        {.id = key->mailbox, .name = std::move(row->name), .subscribed = row->subscribed});
  }
  if (Result<void> end = range.finished(what); !end) return std::unexpected(std::move(end.error()));
  std::ranges::sort(folders, {}, &Folder::name);
  return folders;
}

Result<SnapshotRead> read_snapshot(rocksdb::DB& rows, const MailboxHead& head) {
  SnapshotBuilder builder;
  SnapshotRead read;
  const Result<void> walked = for_each_message(rows, head, 1, [&](const MessageEntry& entry) {
    builder.append(entry);
    read.totals.add(entry);
  });
  if (!walked) return std::unexpected(walked.error());
  read.snapshot = builder.finish(head);
  return read;
}

Result<std::optional<SnapshotRead>> read_snapshot_since(rocksdb::DB& rows, const MailboxHead& head,
                                                        const MailboxSnapshot& base) {
  const std::size_t most = std::max(kLookUpsAlways, base.size() / 4);
  auto uids = changed_uids(rows, head, base.head(), most);
  if (!uids) return std::unexpected(std::move(uids.error()));
  if (!*uids) return std::nullopt;
  const auto changes = look_up(rows, head.id, **uids);
  if (!changes) return std::unexpected(changes.error());
  std::vector<MessageEntry> arrivals;
  const Result<void> walked =
      for_each_message(rows, head, base.head().uid_next,
                       [&](const MessageEntry& entry) { arrivals.push_back(entry); });
  if (!walked) return std::unexpected(walked.error());
  SnapshotRead read;
  read.snapshot = next_snapshot(base, head, *changes, arrivals, read.totals);
  return read;
}

}  // namespace postern::store

#include "tests/unit/store/row_store.hpp"

#include <gtest/gtest.h>
#include <rocksdb/options.h>
#include <stdlib.h>

#include "runtime/assert.hpp"
#include "store/snapshot_builder.hpp"

namespace postern::store::test {

namespace {

rocksdb::Slice slice(std::string_view octets) { return {octets.data(), octets.size()}; }

void must(const rocksdb::Status& status) {
  EXPECT_TRUE(status.ok()) << status.ToString();
  POSTERN_ASSERT(status.ok());
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-reader-XXXXXX").string();
  POSTERN_ASSERT(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}
TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

/// Rows of one operation: message rows and changes as they come, the head at the end.
class RowStore::Batch {
 public:
  Batch(RowStore& store, MailboxId id) : store_(store), mailbox_(store.model_.at(id)) {}

  ModelMailbox& mailbox() { return mailbox_; }
  void put(std::string_view key, std::string_view value) {
    must(rows_.Put(slice(key), slice(value)));
  }
  void put_live(const MessageEntry& entry) {
    put(schema::message_key(mailbox_.head.id, entry.uid, entry.modseq),
        schema::encode_live_row(entry.flags, entry.body, entry.size_octets,
                                entry.internal_date_ms));
  }
  void put_change(Uid uid) {
    put(schema::change_key(mailbox_.head.id, mailbox_.head.highest_modseq, uid), {});
  }
  StorePosition commit() {
    SnapshotTotals totals;
    for (const auto& [uid, entry] : mailbox_.messages) totals.add(entry);
    mailbox_.head.message_count = totals.message_count;
    mailbox_.head.unseen_count = totals.unseen_count;
    mailbox_.head.total_octets = totals.total_octets;
    put(schema::head_key(mailbox_.head.id, mailbox_.head.highest_modseq),
        schema::encode_head(mailbox_.head));
    // Another family in the same batch, as the writer's queue and reference rows are.
    must(rows_.Put(store_.families_[1], "other", "row"));
    must(store_.mail_->Write(rocksdb::WriteOptions(), &rows_));
    return store_.position();
  }

 private:
  RowStore& store_;
  ModelMailbox& mailbox_;
  rocksdb::WriteBatch rows_;
};

RowStore::RowStore(std::string path) : path_(std::move(path)) {
  std::filesystem::create_directories(path_);
  open();
}

RowStore::~RowStore() { close(); }

void RowStore::open() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = -1;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, {}}, {"other", {}}};
  rocksdb::DB* db = nullptr;
  must(rocksdb::DB::Open(options, path_ + "/mail", families, &families_, &db));
  mail_.reset(db);
  must(rocksdb::DB::Open(rocksdb::Options(options, {}), path_ + "/bodies", &db));
  bodies_.reset(db);
}

void RowStore::close() {
  for (rocksdb::ColumnFamilyHandle* family : families_)
    must(mail_->DestroyColumnFamilyHandle(family));
  families_.clear();
  mail_.reset();
  bodies_.reset();
}

void RowStore::restart() {
  close();
  open();
}

StorePosition RowStore::create_mailbox(MailboxId id) {
  model_[id].head = MailboxHead{.id = id, .uid_validity = 7, .uid_next = 1, .highest_modseq = 1};
  return Batch(*this, id).commit();
}

StorePosition RowStore::deliver(MailboxId id, std::uint64_t size_octets) {
  Batch batch(*this, id);
  MailboxHead& head = batch.mailbox().head;
  const MessageEntry entry{.uid = head.uid_next++,
                           .modseq = ++head.highest_modseq,
                           .body = BodyId{next_body_++},
                           .size_octets = size_octets,
                           .internal_date_ms = 1000};
  batch.mailbox().messages[entry.uid] = entry;
  batch.put_live(entry);
  return batch.commit();
}

StorePosition RowStore::deliver_many(MailboxId id, std::size_t count) {
  Batch batch(*this, id);
  MailboxHead& head = batch.mailbox().head;
  for (std::size_t i = 0; i < count; ++i) {
    const MessageEntry entry{.uid = head.uid_next++,
                             .modseq = ++head.highest_modseq,
                             .body = BodyId{next_body_++},
                             .size_octets = 50 + i};
    batch.mailbox().messages[entry.uid] = entry;
    batch.put_live(entry);
  }
  return batch.commit();
}

StorePosition RowStore::set_flags(MailboxId id, const std::set<Uid>& uids, FlagSet flags) {
  Batch batch(*this, id);
  ++batch.mailbox().head.highest_modseq;
  for (const Uid uid : uids) {
    const auto found = batch.mailbox().messages.find(uid);
    if (found == batch.mailbox().messages.end()) continue;
    found->second.flags = flags;
    found->second.modseq = batch.mailbox().head.highest_modseq;
    batch.put_live(found->second);
    batch.put_change(uid);
  }
  return batch.commit();
}

StorePosition RowStore::expunge(MailboxId id, const std::set<Uid>& uids) {
  Batch batch(*this, id);
  const ModSeq modseq = ++batch.mailbox().head.highest_modseq;
  for (const Uid uid : uids) {
    if (batch.mailbox().messages.erase(uid) == 0) continue;
    batch.put(schema::message_key(id, uid, modseq),
              schema::encode_message_row({.kind = schema::MessageRow::Kind::expunged}));
    batch.put_change(uid);
  }
  return batch.commit();
}

StorePosition RowStore::put_folder(AccountId account, MailboxId id, std::uint64_t version,
                                   const schema::FolderRow& row) {
  return put_row(schema::folder_key(account, id, version), schema::encode_folder_row(row));
}

StorePosition RowStore::put_row(std::string_view key, std::string_view value) {
  must(mail_->Put(rocksdb::WriteOptions(), slice(key), slice(value)));
  return position();
}

StorePosition RowStore::put_body(BodyId id, const std::string& octets) {
  rocksdb::WriteBatch batch;
  for (std::size_t chunk = 0; chunk * kBodyChunkOctets < octets.size(); ++chunk) {
    must(batch.Put(slice(schema::body_key(id, static_cast<std::uint32_t>(chunk))),
                   octets.substr(chunk * kBodyChunkOctets, kBodyChunkOctets)));
  }
  must(bodies_->Write(rocksdb::WriteOptions(), &batch));
  return position();
}

void RowStore::delete_body(BodyId id, std::size_t chunks) {
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    must(bodies_->Delete(rocksdb::WriteOptions(),
                         slice(schema::body_key(id, static_cast<std::uint32_t>(chunk)))));
  }
}

void RowStore::clear_away(MailboxId id) {
  const auto each_row = [&](std::string_view prefix, auto superfluous) {
    rocksdb::WriteBatch batch;
    std::unique_ptr<rocksdb::Iterator> rows(mail_->NewIterator(rocksdb::ReadOptions()));
    for (rows->Seek(slice(prefix)); rows->Valid() && rows->key().starts_with(slice(prefix));
         rows->Next()) {
      if (superfluous(rows->key().ToString())) must(batch.Delete(rows->key()));
    }
    must(mail_->Write(rocksdb::WriteOptions(), &batch));
  };
  const ModelMailbox& mailbox = model_.at(id);
  each_row(schema::message_prefix(id), [&](const std::string& key) {
    const auto parts = schema::parse_message_key(key).value();
    const auto message = mailbox.messages.find(parts.uid);
    return message == mailbox.messages.end() || message->second.modseq != parts.modseq;
  });
  each_row(schema::head_prefix(id), [&](const std::string& key) {
    return schema::parse_head_key(key).value().modseq != mailbox.head.highest_modseq;
  });
}

void RowStore::flush() { must(mail_->Flush(rocksdb::FlushOptions())); }

void RowStore::write_clock() { put_row(schema::clock_key(++tick_), {}); }

void RowStore::compact() {
  rocksdb::CompactRangeOptions options;
  // Rewrites even a single file, so that tombstones really go.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  must(mail_->CompactRange(options, nullptr, nullptr));
}

MailboxSnapshotPtr RowStore::expected(MailboxId id) const {
  std::vector<MessageEntry> entries;
  for (const auto& [uid, entry] : model_.at(id).messages) entries.push_back(entry);
  return MailboxSnapshot::from_entries(model_.at(id).head, std::move(entries));
}

std::vector<MessageEntry> entries_of(const MailboxSnapshot& snapshot) {
  std::vector<MessageEntry> entries;
  for (const MailboxSnapshot::Block& block : snapshot.blocks()) {
    entries.insert(entries.end(), block->begin(), block->end());
  }
  return entries;
}

}  // namespace postern::store::test

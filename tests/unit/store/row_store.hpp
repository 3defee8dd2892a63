// A store written with the schema's codecs straight into RocksDB, beside a model of what it must
// look like: the writer's half for tests of the reader side. One thread.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <rocksdb/db.h>
#include <set>
#include <string>
#include <vector>

#include "store/mailbox_snapshot.hpp"
#include "store/schema.hpp"
#include "store/types.hpp"

namespace postern::store::test {

/// A folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// What a mailbox must look like.
struct ModelMailbox {
  MailboxHead head;
  std::map<Uid, MessageEntry> messages;
};

/// The primary of both databases. Every operation is one WriteBatch and gives its position.
class RowStore {
 public:
  explicit RowStore(std::string path);
  ~RowStore();

  StorePosition create_mailbox(MailboxId id);
  StorePosition deliver(MailboxId id, std::uint64_t size_octets = 100);
  /// `count` messages as one batch.
  StorePosition deliver_many(MailboxId id, std::size_t count);
  StorePosition set_flags(MailboxId id, const std::set<Uid>& uids, FlagSet flags);
  StorePosition expunge(MailboxId id, const std::set<Uid>& uids);
  StorePosition put_folder(AccountId account, MailboxId id, std::uint64_t version,
                           const schema::FolderRow& row);
  StorePosition put_body(BodyId id, const std::string& octets);
  void delete_body(BodyId id, std::size_t chunks);
  /// A row as given, damaged ones included.
  StorePosition put_row(std::string_view key, std::string_view value);

  /// Removes what newer rows made superfluous (older versions, expunged messages, old heads), as
  /// the writer does once every view is past them.
  void clear_away(MailboxId id);
  void flush();
  /// A row that comes after a flush: lets secondaries drop memtables of before it.
  void write_clock();
  void compact();
  /// Closes and opens again, as after a crash of the process (the WAL is replayed).
  void restart();

  StorePosition position() const { return mail_->GetLatestSequenceNumber(); }
  const ModelMailbox& model(MailboxId id) const { return model_.at(id); }
  MailboxSnapshotPtr expected(MailboxId id) const;
  rocksdb::DB& mail() { return *mail_; }
  rocksdb::DB& bodies() { return *bodies_; }

 private:
  class Batch;
  void open();
  void close();

  std::string path_;
  std::unique_ptr<rocksdb::DB> mail_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::unique_ptr<rocksdb::DB> bodies_;
  std::map<MailboxId, ModelMailbox> model_;
  std::uint64_t next_body_ = 1;
  std::uint64_t tick_ = 0;
};

/// Entry by entry, for EXPECT_EQ.
std::vector<MessageEntry> entries_of(const MailboxSnapshot& snapshot);

}  // namespace postern::store::test

// The redo log: its records, and what the next start does with them.
#include <filesystem>
#include <gtest/gtest.h>
#include <optional>
#include <rocksdb/db.h>

#include "store/engine_open.hpp"
#include "store/redo_log.hpp"
#include "store/schema_private.hpp"
#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

SpoolRequest sample() {
  SpoolRequest request;
  request.id = "4f1c";
  request.body = BodyId{77};
  request.size_octets = 123456789012;
  request.relay_offset_octets = 42;
  request.arrival_unix_ms = 1'763'000'000'123;
  request.envelope = {.reverse_path = "sender@example.org",
                      .recipients = {{"ann@example.net", {MailboxId{3}, MailboxId{9}}},
                                     {"far@elsewhere.example", {}}},
                      .identity = "ann@example.net",
                      .client = "192.0.2.1 host.example",
                      .smtputf8 = true,
                      .body_8bit = true,
                      .options = {.require_tls = true, .priority = -3, .envelope_id = "QQ314"}};
  request.envelope.recipients[1].options = {.notify = kNotifySuccess, .orcpt = "rfc822;far@x"};
  return request;
}

void expect_same(const SpoolRequest& a, const SpoolRequest& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.body, b.body);
  EXPECT_EQ(a.size_octets, b.size_octets);
  EXPECT_EQ(a.relay_offset_octets, b.relay_offset_octets);
  EXPECT_EQ(a.arrival_unix_ms, b.arrival_unix_ms);
  EXPECT_EQ(a.envelope.reverse_path, b.envelope.reverse_path);
  EXPECT_EQ(a.envelope.identity, b.envelope.identity);
  EXPECT_EQ(a.envelope.client, b.envelope.client);
  EXPECT_EQ(a.envelope.smtputf8, b.envelope.smtputf8);
  EXPECT_EQ(a.envelope.body_8bit, b.envelope.body_8bit);
  EXPECT_EQ(a.envelope.options, b.envelope.options);
  ASSERT_EQ(a.envelope.recipients.size(), b.envelope.recipients.size());
  for (std::size_t i = 0; i < a.envelope.recipients.size(); ++i) {
    EXPECT_EQ(a.envelope.recipients[i].address, b.envelope.recipients[i].address);
    EXPECT_EQ(a.envelope.recipients[i].options, b.envelope.recipients[i].options);
    EXPECT_EQ(a.envelope.recipients[i].mailboxes, b.envelope.recipients[i].mailboxes);
  }
}

TEST(RedoRecord, KeepsEverything) {
  SpoolRequest second = sample();
  second.envelope.smtputf8 = second.envelope.body_8bit = false;
  second.envelope.reverse_path.clear();
  std::string record;
  schema::append_redo_entry(record, 4, sample());
  schema::append_redo_entry(record, 9, second);
  const auto entries = schema::decode_redo_record(record);
  ASSERT_TRUE(entries.has_value()) << entries.error().message;
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0]->index, 4u);
  expect_same((*entries)[0]->request, sample());
  EXPECT_EQ((*entries)[1]->index, 9u);
  expect_same((*entries)[1]->request, second);
}

TEST(RedoRecord, DamageIsAnErrorWhereverItIs) {
  std::string record;
  schema::append_redo_entry(record, 0, sample());
  for (std::size_t length = 1; length < record.size(); ++length) {
    EXPECT_FALSE(schema::decode_redo_record(record.substr(0, length)).has_value()) << length;
  }
  for (std::size_t i = 0; i < record.size(); ++i) {
    std::string damaged = record;
    damaged[i] = static_cast<char>(~damaged[i]);
    (void)schema::decode_redo_record(damaged);  // any answer but a crash
  }
  EXPECT_EQ(schema::decode_redo_record("\x02").error().code, ErrorCode::unsupported);
}

TEST(RedoPosition, RoundTripAndOrder) {
  const schema::GroupPosition position{.group = 1ull << 40, .index = 7};
  EXPECT_EQ(schema::decode_group_position(schema::encode_group_position(position)), position);
  EXPECT_LT((schema::GroupPosition{.group = 3, .index = 9}), (schema::GroupPosition{.group = 4}));
  EXPECT_FALSE(schema::decode_group_position("short").has_value());
}

/// Reads one meta row, or writes it, with the store closed.
class MetaRow {
 public:
  explicit MetaRow(const std::string& store) {
    const std::vector<std::string> names = {
        rocksdb::kDefaultColumnFamilyName, std::string(schema::kQueueFamily),
        std::string(schema::kDirectoryFamily), std::string(schema::kRefsFamily),
        std::string(schema::kMetaFamily)};
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names)
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    rocksdb::DB* opened = nullptr;
    const auto status =
        rocksdb::DB::Open(rocksdb::DBOptions(), store + "/mail", families, &handles_, &opened);
    EXPECT_TRUE(status.ok()) << status.ToString();
    db_.reset(opened);
  }
  ~MetaRow() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }
  std::string get(std::string_view key) {
    std::string record;
    EXPECT_TRUE(db_->Get(rocksdb::ReadOptions(), handles_[4],
                         rocksdb::Slice(key.data(), key.size()), &record)
                    .ok());
    return record;
  }
  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* meta() { return handles_[4]; }

 private:
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::unique_ptr<rocksdb::DB> db_;
};

// Nothing is removed from the redo log while the test runs.
const EngineOptions kKeepRedo{.rows_sync_after = std::chrono::hours(1)};

/// Copies mail/ aside and back: a power loss that takes all of its writes since.
class MailBackup {
 public:
  explicit MailBackup(const std::string& store) : mail_(store + "/mail"), copy_(store + "/backup") {
    std::filesystem::copy(mail_, copy_, std::filesystem::copy_options::recursive);
  }
  void restore() {
    std::filesystem::remove_all(mail_);
    std::filesystem::rename(copy_, mail_);
  }

 private:
  std::filesystem::path mail_, copy_;
};

TEST(EngineRedo, RowsLostWithTheirLogAreWrittenAgainWithTheSameUids) {
  TempDir dir;
  MailboxId ann{}, bob{};
  {
    EngineUnderTest store(dir.path());
    ann = store.add_user("ann@example.net");
    bob = store.add_user("bob@example.net");
    ASSERT_EQ(store.deliver({ann}, "before"), SpoolOutcome::durable);
  }
  std::optional<MailBackup> backup;
  {
    EngineUnderTest store(dir.path(), kKeepRedo);
    backup.emplace(dir.path());  // with the marks of this start, which are synced
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(store.deliver({ann}, "ann " + std::to_string(i)), SpoolOutcome::durable);
      ASSERT_EQ(store.deliver({ann, bob}, "both " + std::to_string(i)), SpoolOutcome::durable);
    }
    ASSERT_EQ(store.submit(*make_relayed("far away")), SpoolOutcome::durable);
  }
  const StoreContents before = read_store(dir.path());
  backup->restore();
  {
    EngineUnderTest store(dir.path());
    const auto queue = store.engine().list_queue(10);
    ASSERT_TRUE(queue.has_value());
    EXPECT_EQ(queue->size(), 1u);
    ASSERT_EQ(store.deliver({bob}, "after"), SpoolOutcome::durable);
  }
  const StoreContents after = read_store(dir.path());
  expect_consistent(after);
  for (const MailboxId inbox : {ann, bob}) {
    const auto& expected = before.mailboxes.at(inbox).messages;
    const auto& found = after.mailboxes.at(inbox).messages;
    EXPECT_EQ(found.size(), expected.size() + (inbox == bob ? 1 : 0));
    for (const auto& [uid, message] : expected) {
      ASSERT_TRUE(found.contains(uid)) << uid;
      EXPECT_EQ(after.bodies.at(found.at(uid).body), before.bodies.at(message.body)) << uid;
    }
  }
}

TEST(EngineRedo, UseIsWhatWasWrittenAgainAndALostNoteIsToldOnceMore) {
  TempDir dir;
  MailboxId ann{};
  {
    EngineUnderTest store(dir.path());
    ann = store.add_user("ann@example.net");
    ASSERT_EQ(store.deliver({ann}, "before"), SpoolOutcome::durable);
  }
  std::optional<MailBackup> backup;
  {
    EngineUnderTest store(dir.path(), kKeepRedo);
    backup.emplace(dir.path());
    ASSERT_EQ(store.deliver({ann}, "after"), SpoolOutcome::durable);
    const auto notice = make_message({ann}, "told");
    notice->quota_note = QuotaNote{QuotaLevel::near, 5};
    ASSERT_EQ(store.submit(*notice), SpoolOutcome::durable);
  }
  backup->restore();
  EngineUnderTest store(dir.path());
  EXPECT_EQ(store.engine().quotas().use_of(ann).used_octets, 15u) << "before, after, told";
  EXPECT_TRUE(store.engine().list_quota_notes().value().empty())
      << "the mail is there, and is sent again: never the other way round";
}

TEST(EngineRedo, WhatWasWrittenIsNotWrittenAgain) {
  TempDir dir;
  MailboxId inbox{};
  {
    EngineUnderTest store(dir.path());
    inbox = store.add_user("ann@example.net");
    for (int i = 0; i < 10; ++i) ASSERT_EQ(store.deliver({inbox}, "x"), SpoolOutcome::durable);
    ASSERT_TRUE(store.apply(Expunge{.mailbox = inbox, .uids = {{1, 5}}, .only_deleted = false})
                    .has_value());
  }
  const auto position = schema::decode_group_position(MetaRow(dir.path()).get(schema::kAppliedKey));
  ASSERT_TRUE(position.has_value());
  EXPECT_GT(position->group, 1u) << "the rows say how far they are";
  for (int start = 0; start < 3; ++start) {
    EngineUnderTest again(dir.path());
  }
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(contents.mailboxes.at(inbox).messages.size(), 5u) << "neither twice nor back again";
}

TEST(EngineRedo, AHalfAppliedGroupIsContinuedWhereItStopped) {
  TempDir dir;
  MailboxId inbox{};
  {
    EngineUnderTest store(dir.path());
    inbox = store.add_user("ann@example.net");
  }
  std::optional<MailBackup> backup;
  {
    EngineUnderTest store(dir.path(), kKeepRedo);
    backup.emplace(dir.path());
    ASSERT_EQ(store.deliver({inbox}, "first"), SpoolOutcome::durable);
    ASSERT_EQ(store.deliver({inbox}, "second"), SpoolOutcome::durable);
  }
  backup->restore();
  {
    // The first group counts as applied up to its first request.
    MetaRow meta(dir.path());
    const auto record = schema::encode_group_position({.group = 1, .index = 1});
    ASSERT_TRUE(meta.db()
                    .Put(rocksdb::WriteOptions(), meta.meta(),
                         rocksdb::Slice(schema::kAppliedKey.data(), schema::kAppliedKey.size()),
                         rocksdb::Slice(record.view().data(), record.view().size()))
                    .ok());
  }
  {
    EngineUnderTest store(dir.path());
  }
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  ASSERT_EQ(contents.mailboxes.at(inbox).messages.size(), 1u);
  EXPECT_EQ(contents.bodies.at(contents.mailboxes.at(inbox).messages.begin()->second.body),
            "second");
}

}  // namespace
}  // namespace postern::store::testing

#include "tests/unit/store/engine_harness.hpp"

#include <chrono>
#include <filesystem>
#include <rocksdb/db.h>
#include <stdlib.h>

#include "store/database.hpp"
#include "store/schema_private.hpp"

namespace postern::store::testing {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "store-test-XXXXXX").string();
  path_ = ::mkdtemp(name.data()) == nullptr ? std::string() : name;
  EXPECT_FALSE(path_.empty());
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void WaitingSink::complete(std::uint32_t core, SpoolRequest** requests, std::size_t count) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(requests[i]->core, core);
    completed_.push_back(requests[i]);
  }
  changed_.notify_all();
}

bool WaitingSink::wait_for(std::size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(30),
                           [&] { return completed_.size() >= count; });
}

std::vector<SpoolRequest*> WaitingSink::completed() {
  const std::lock_guard lock(mutex_);
  return completed_;
}

std::unique_ptr<SpoolRequest> make_message(std::vector<MailboxId> mailboxes,
                                           std::string_view octets, std::uint32_t core) {
  auto request = std::make_unique<SpoolRequest>();
  request->id = "id-" + std::string(octets.substr(0, 8));
  request->envelope.reverse_path = "sender@example.org";
  for (const MailboxId mailbox : mailboxes) {
    request->envelope.recipients.push_back(
        {.address = "someone@example.net", .mailboxes = {mailbox}});
  }
  MessageBody body;
  body.append(octets);
  request->size_octets = body.size();
  request->segment = body.take_rest();
  request->arrival_unix_ms = 1'700'000'000'123;
  request->core = core;
  return request;
}

std::unique_ptr<SpoolRequest> make_relayed(std::string_view octets) {
  auto request = make_message({}, octets);
  request->envelope.recipients.push_back({.address = "far@elsewhere.example", .mailboxes = {}});
  return request;
}

EngineUnderTest::EngineUnderTest(const std::string& path, EngineOptions options,
                                 rocksdb::Env* env) {
  options.path = path;
  auto opened = open_engine(std::move(options), sink_, env);
  EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
  if (opened) engine_ = std::move(*opened);
}

SpoolOutcome EngineUnderTest::submit(SpoolRequest& request) {
  EXPECT_TRUE(engine_->submit(&request));
  EXPECT_TRUE(sink_.wait_for(++submitted_));
  return request.outcome;
}

SpoolOutcome EngineUnderTest::deliver(std::vector<MailboxId> mailboxes, std::string_view octets) {
  const auto request = make_message(std::move(mailboxes), octets);
  return submit(*request);
}

Result<MutationReply> EngineUnderTest::apply(MutationBody body) {
  return apply(Mutation{.key_high = 77, .key_low = next_key_++, .body = std::move(body)});
}

Result<MutationReply> EngineUnderTest::apply(Mutation mutation) {
  std::promise<Result<MutationReply>> promise;
  auto future = promise.get_future();
  engine_->apply(std::move(mutation),
                 [&](Result<MutationReply> reply) { promise.set_value(reply); });
  return future.get();
}

Result<DirectoryReply> EngineUnderTest::apply(DirectoryChange change) {
  std::promise<Result<DirectoryReply>> promise;
  auto future = promise.get_future();
  engine_->apply(std::move(change),
                 [&](Result<DirectoryReply> reply) { promise.set_value(reply); });
  return future.get();
}

MailboxId EngineUnderTest::add_user(const std::string& name) {
  (void)apply(AddDomain{name.substr(name.find('@') + 1)});
  const auto reply = apply(AddUser{.name = name});
  EXPECT_TRUE(reply.has_value()) << (reply ? "" : reply.error().message);
  return reply ? reply->inbox : MailboxId{};
}

void EngineUnderTest::close() { engine_.reset(); }

namespace {

using IteratorPtr = std::unique_ptr<rocksdb::Iterator>;

void read_row(std::string_view key, std::string_view value, StoreContents& out) {
  switch (static_cast<schema::RowKind>(key[0])) {
    case schema::RowKind::message: {
      const auto parts = schema::parse_message_key(key).value();
      StoreContents::Mailbox& mailbox = out.mailboxes[parts.mailbox];
      ++mailbox.message_rows;
      if (mailbox.messages.contains(parts.uid) || mailbox.expunged.contains(parts.uid)) return;
      const auto row = schema::decode_message_row(value).value();
      if (row.kind == schema::MessageRow::Kind::live) {
        mailbox.messages[parts.uid] = schema::to_entry(parts, row);
      } else {
        mailbox.expunged.insert(parts.uid);
      }
      return;
    }
    case schema::RowKind::change: {
      const auto parts = schema::parse_change_key(key).value();
      out.mailboxes[parts.mailbox].changes.emplace_back(parts.modseq, parts.uid);
      return;
    }
    case schema::RowKind::head: {
      const auto parts = schema::parse_head_key(key).value();
      StoreContents::Mailbox& mailbox = out.mailboxes[parts.mailbox];
      if (mailbox.head_rows++ == 0) mailbox.head = schema::decode_head(parts, value).value();
      return;
    }
    case schema::RowKind::folder: {
      const auto parts = schema::parse_folder_key(key).value();
      out.folders.try_emplace({parts.account, parts.mailbox},
                              schema::decode_folder_row(value).value());
      return;
    }
    case schema::RowKind::clock:
      ++out.clock_rows;
      return;
  }
  ADD_FAILURE() << "a row of unknown kind";
}

}  // namespace

StoreContents read_store(const std::string& path) {
  StoreContents out;
  const std::vector<std::string> names = {"default", "queue", "directory", "refs", "meta"};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const auto& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw_db = nullptr;
  auto status = rocksdb::DB::OpenForReadOnly(rocksdb::DBOptions(), path + "/mail", families,
                                             &handles, &raw_db);
  EXPECT_TRUE(status.ok()) << status.ToString();
  std::unique_ptr<rocksdb::DB> mail(raw_db);
  const auto each = [&](rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, auto&& visit) {
    const IteratorPtr it(db.NewIterator(rocksdb::ReadOptions(), family));
    for (it->SeekToFirst(); it->Valid(); it->Next())
      visit(to_view(it->key()), to_view(it->value()));
    EXPECT_TRUE(it->status().ok());
  };
  each(*mail, handles[0], [&](auto key, auto value) { read_row(key, value, out); });
  each(*mail, handles[1], [&](auto key, auto value) {
    out.queue.push_back(
        schema::decode_queue_row(schema::parse_body_id_key(key).value(), value).value());
  });
  each(*mail, handles[3], [&](auto key, auto value) {
    out.references[schema::parse_body_id_key(key).value()] = schema::decode_u32(value).value();
  });
  each(*mail, handles[4], [&](auto key, auto) {
    out.meta_keys.emplace_back(key);
    if (key.starts_with(schema::kDoomedBodyPrefix)) {
      out.doomed.insert(BodyId{schema::parse_doomed_key(key).value()});
    }
  });
  for (auto* handle : handles) mail->DestroyColumnFamilyHandle(handle);

  status = rocksdb::DB::OpenForReadOnly(rocksdb::Options(), path + "/bodies", &raw_db);
  EXPECT_TRUE(status.ok()) << status.ToString();
  std::unique_ptr<rocksdb::DB> bodies(raw_db);
  std::map<BodyId, std::uint32_t> next_chunk;
  each(*bodies, bodies->DefaultColumnFamily(), [&](auto key, auto value) {
    const auto parts = schema::parse_body_key(key).value();
    EXPECT_EQ(parts.chunk, next_chunk[parts.body]++);
    out.bodies[parts.body].append(value);
  });
  return out;
}

void expect_consistent(const StoreContents& contents) {
  std::map<BodyId, std::uint32_t> references;
  for (const auto& [id, mailbox] : contents.mailboxes) {
    std::uint64_t octets = 0;
    std::uint32_t unseen = 0;
    ModSeq highest = 1;
    std::set<std::pair<ModSeq, Uid>> arrivals;
    for (const auto& [uid, message] : mailbox.messages) {
      octets += message.size_octets;
      unseen += message.flags.has(Flag::seen) ? 0 : 1;
      highest = std::max(highest, message.modseq);
      EXPECT_LT(uid, mailbox.head.uid_next);
      ++references[message.body];
      const auto body = contents.bodies.find(message.body);
      ASSERT_NE(body, contents.bodies.end()) << "row without body " << raw(message.body);
      EXPECT_EQ(body->second.size(), message.size_octets);
    }
    EXPECT_EQ(mailbox.head.message_count, mailbox.messages.size()) << "mailbox " << raw(id);
    EXPECT_EQ(mailbox.head.unseen_count, unseen);
    EXPECT_EQ(mailbox.head.total_octets, octets);
    EXPECT_GE(mailbox.head.highest_modseq, highest);
  }
  for (const QueueEntry& entry : contents.queue) {
    ++references[entry.body];
    EXPECT_TRUE(contents.bodies.contains(entry.body));
  }
  EXPECT_EQ(contents.references, references);
  for (const auto& [body, octets] : contents.bodies) {
    EXPECT_NE(references.contains(body), contents.doomed.contains(body))
        << "body without rows " << raw(body);
  }
}

}  // namespace postern::store::testing

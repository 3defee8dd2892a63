// What the engine tests share: a folder that goes away, a completion sink that can be waited for,
// message builders, and a reader that looks at the databases themselves.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "store/engine.hpp"
#include "store/engine_open.hpp"
#include "store/schema.hpp"

namespace postern::store::testing {

/// A new folder under the test's temporary directory, removed at the end.
class TempDir {
 public:
  TempDir();
  /// Takes over an existing one.
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// Collects completions in the order they come.
class WaitingSink final : public CompletionSink {
 public:
  void complete(std::uint32_t core, SpoolRequest** requests, std::size_t count) override;
  /// Blocks until `count` requests were completed in all; false after 30 s.
  bool wait_for(std::size_t count);
  /// Completed so far, in order.
  std::vector<SpoolRequest*> completed();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SpoolRequest*> completed_;
};

/// A whole message for these mailboxes, not streamed.
std::unique_ptr<SpoolRequest> make_message(std::vector<MailboxId> mailboxes,
                                           std::string_view octets, std::uint32_t core = 0);
/// One to a remote address.
std::unique_ptr<SpoolRequest> make_relayed(std::string_view octets);

/// An engine with its sink and shorthands that wait for the answer.
class EngineUnderTest {
 public:
  explicit EngineUnderTest(const std::string& path, EngineOptions options = {},
                           rocksdb::Env* env = nullptr);
  Engine& engine() { return *engine_; }
  WaitingSink& sink() { return sink_; }

  /// Submits and waits. The outcome is the request's.
  SpoolOutcome submit(SpoolRequest& request);
  SpoolOutcome deliver(std::vector<MailboxId> mailboxes, std::string_view octets);
  Result<MutationReply> apply(MutationBody body);
  Result<MutationReply> apply(Mutation mutation);
  Result<DirectoryReply> apply(DirectoryChange change);
  /// AddDomain (unless it exists) and AddUser; the new INBOX.
  MailboxId add_user(const std::string& name);
  void close();

 private:
  WaitingSink sink_;
  std::unique_ptr<Engine> engine_;
  std::size_t submitted_ = 0;
  std::uint64_t next_key_ = 1;
};

/// Everything in a store, read from the closed databases.
struct StoreContents {
  struct Mailbox {
    MailboxHead head;
    std::map<Uid, MessageEntry> messages;  ///< live, by their first row
    std::set<Uid> expunged;
    std::vector<std::pair<ModSeq, Uid>> changes;  ///< change log
    std::size_t message_rows = 0;                 ///< all versions
    std::size_t head_rows = 0;
  };
  std::map<MailboxId, Mailbox> mailboxes;
  std::map<BodyId, std::string> bodies;
  std::map<BodyId, std::uint32_t> references;
  std::vector<QueueEntry> queue;
  std::vector<std::string> meta_keys;
  std::set<BodyId> doomed;  ///< on the list of bodies to be deleted
  std::size_t clock_rows = 0;
  std::map<std::pair<AccountId, MailboxId>, schema::FolderRow> folders;
};
StoreContents read_store(const std::string& path);

/// Fails the test unless rows, bodies, counts and heads of the store agree with each other.
void expect_consistent(const StoreContents& contents);

}  // namespace postern::store::testing

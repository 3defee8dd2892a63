// The embedded store, writer side: the gateway's alone. One Engine owns both databases of a folder;
// a second one on the same folder is refused. Two threads of its own, pipelined (architecture.md,
// section 5):
//
//   cores ──SpscQueue each──▶ body stage: message octets and redo record, write + fsync
//                                  │ groups
//   worker threads ──apply()──▶ row stage: uids, modseqs, rows, write ──▶ completions, feed
//
// Nothing here shows a RocksDB type.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "store/directory.hpp"
#include "store/directory_change.hpp"
#include "store/engine_stats.hpp"
#include "store/mailbox_change.hpp"
#include "store/mailbox_quotas.hpp"
#include "store/mutation.hpp"
#include "store/quota_note.hpp"
#include "store/spool.hpp"
#include "store/types.hpp"

namespace postern::store {

/// What an Engine needs to know at open. Fixed for its life.
struct EngineOptions {
  std::string path;  ///< folder of both databases; created when missing (its parent must exist)
  std::uint32_t cores = 1;  ///< submitters: SpoolRequest::core is 0 .. cores-1
  /// Requests one core can have waiting at the body stage (StoreSettings::commit_queue_requests).
  std::uint32_t queue_requests = 8192;
  /// Answer no_space below this (StoreSettings::disk_free_min_octets). 0: off.
  std::uint64_t disk_free_min_octets = 512ull << 20;
  /// Memtable of the mailbox rows. Every reader process holds the unflushed rows again and replays
  /// them at its start: 16 MiB is some 150,000 deliveries between two flushes.
  std::size_t row_memtable_octets = std::size_t{16} << 20;
  /// Memtable of bodies/. Larger: fewer flushes and files; each reader process holds the same
  /// again.
  std::size_t body_memtable_octets = std::size_t{64} << 20;
  /// How long rows of arrivals may lack an fsync of their own when nothing else asks for one: what
  /// start-up writes again from the redo log after a power loss.
  std::chrono::milliseconds rows_sync_after{1000};
  /// What the mailbox of an account without a quota of its own may hold (MailboxSettings::quota);
  /// 0: no limit. The engine itself refuses nothing for it: see quotas().
  std::uint64_t mailbox_quota_octets = 0;
  /// Answers to mutations that are remembered for a retry: how many and how long. A sidecar retries
  /// within its RPC timeout (seconds); 16k answers of some 100 octets are cheap.
  std::size_t remembered_mutations = 16 * 1024;
  std::chrono::minutes remembered_for{5};
  /// Row thread, after each durable group. Must not block. May be empty.
  ChangeListener on_change;
};

/// One message that waits for the relay.
struct QueueEntry {
  BodyId body{};
  std::string id;  ///< the message's public id
  std::int64_t arrival_unix_ms = 0;
  std::uint64_t size_octets = 0;
  std::uint32_t relay_offset_octets = 0;
  std::string reverse_path;  ///< empty: the null reverse-path
  std::string identity;      ///< who submitted it, empty if not authenticated
  std::string client;
  bool smtputf8 = false;
  bool body_8bit = false;
  EnvelopeOptions options;              ///< hold_until: not to be sent before (RFC 4865)
  std::vector<std::string> recipients;  ///< the remote ones, and all of a message that is held
  std::vector<RecipientOptions> recipient_options;  ///< of each recipient
  friend bool operator==(const QueueEntry&, const QueueEntry&) = default;
};

/// Messages of one mailbox that arrived before some time.
struct OlderMessages {
  std::vector<UidRange> uids;  ///< ascending, disjoint
  bool complete = false;       ///< the mailbox was seen to its end
  Uid next_uid = 1;            ///< where to go on, if not
};

/// How much one look may cost.
struct ScanLimits {
  std::size_t rows_max = 0;
  std::size_t messages_max = 0;
};

class EngineState;
class EngineAccess;

/// The writer. Thread rules stand at each function. Completions, `done` functions and the change
/// listener all run on the one row thread, so they come in commit order and must be short.
class Engine final : public Spool {
 public:
  /// Opens or creates the store, repairs what a crash left, starts the threads. Blocks (WAL
  /// replay). `sink` must outlive the engine. Errors: io; unavailable (another process has it
  /// open); unsupported (written by a newer version); corrupted.
  static Result<std::unique_ptr<Engine>> open(EngineOptions options, CompletionSink& sink);

  /// Calls close().
  ~Engine() override;

  /// See Spool. Never to be called during or after close(): then it returns false.
  bool submit(SpoolRequest* request) override;

  /// Any thread. `done` runs exactly once, on the row thread, when the change is durable or refused
  /// (at once on the caller's thread when the store is closed or too many changes wait): not_found
  /// (no such mailbox), invalid_argument, exhausted (keyword table or disk full, too many wait),
  /// unavailable (busy, try again), io, aborted (closed).
  void apply(Mutation mutation, std::move_only_function<void(Result<MutationReply>)> done);

  /// Any thread; as above. Errors of the change itself: see directory_change.hpp.
  void apply(DirectoryChange change, std::move_only_function<void(Result<DirectoryReply>)> done);

  /// Any thread: the current picture. Takes a short lock: cores poll directory_generation() and
  /// fetch the picture only when it moved.
  DirectoryPtr directory() const;
  /// Any thread: increases with every change of the directory. One load.
  std::uint64_t directory_generation() const noexcept;

  /// Any thread: everything acknowledged so far is at or before this.
  StorePosition position() const noexcept;

  /// Worker threads (blocks on the disk): the oldest `limit` messages that wait for the relay.
  Result<std::vector<QueueEntry>> list_queue(std::size_t limit) const;

  /// Worker threads (blocks on the disk): the account's mailboxes. None for one that does not
  /// exist.
  Result<std::vector<MailboxId>> list_mailboxes(AccountId account) const;
  /// Worker threads (blocks on the disk): messages with uids from `from` on whose internal date is
  /// before `before_unix_ms`, in uid order, as far as `limits` go.
  Result<OlderMessages> find_older(MailboxId mailbox, std::int64_t before_unix_ms, Uid from,
                                   const ScanLimits& limits) const;

  /// Any thread: what each mailbox holds and may hold. Whatever was answered is in it.
  const MailboxQuotas& quotas() const noexcept;
  /// Worker threads (blocks on the disk): who was told about his quota, from the notes that came
  /// with SpoolRequest::quota_note and KeepQuotaNote.
  Result<std::vector<MailboxNote>> list_quota_notes() const;

  /// Any thread.
  EngineHealth health() const noexcept;
  /// Any thread: the error that made it `failed`, for the log; empty if none.
  std::string health_text() const;
  EngineStats stats() const noexcept;

  /// Any thread. Every registered view has reached `position`: row versions that were superseded at
  /// or before it may be removed. Never moves backwards. Until the first call nothing is removed.
  void set_oldest_view(StorePosition position) noexcept;

  /// Commits everything submitted, answers everything, stops the threads, closes the databases. The
  /// cores must have stopped submitting. Blocks. Idempotent.
  void close();

 private:
  friend class EngineAccess;  // tests/unit/store: opens with a faulty file system
  explicit Engine(std::unique_ptr<EngineState> state);

  std::unique_ptr<EngineState> state_;
};

}  // namespace postern::store

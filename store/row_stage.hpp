// Second stage of the committer: rows. One thread takes the groups whose bodies are durable and the
// changes that sidecars and the command line ask for, writes them as one WriteBatch into mail/,
// fsyncs when somebody asked for a change (redo_log.hpp), and tells everybody concerned.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

#include "runtime/time.hpp"
#include "store/delivery.hpp"
#include "store/directory_holder.hpp"
#include "store/engine.hpp"
#include "store/engine_health.hpp"
#include "store/expunge_collector.hpp"
#include "store/mailbox_removal.hpp"
#include "store/recovery.hpp"
#include "store/remembered_replies.hpp"
#include "store/row_batch.hpp"
#include "store/row_inbox.hpp"
#include "store/row_progress.hpp"
#include "store/stage_counters.hpp"
#include "store/write_gate.hpp"

namespace postern::store {

class RowStage {
 public:
  RowStage(Database& database, EngineHealthState& health, RowInbox& inbox,
           DirectoryHolder& directory, const ViewHorizon& horizon, CompletionSink& sink,
           MailboxQuotas& quotas, const EngineOptions& options, const Recovered& start);
  ~RowStage();

  /// `bodies` is told which bodies to delete; it must outlive the thread.
  void start(BodyStage& bodies);
  /// Waits until the body stage ended and everything is answered. Idempotent.
  void join();

  // Any thread.
  StorePosition position() const noexcept { return position_.load(std::memory_order_acquire); }
  StageStats stats() const noexcept { return counters_.copy(); }
  /// Adds this stage's counters to `stats`.
  void add_to(EngineStats& stats) const noexcept;

 private:
  /// A control request's answer, held back until its group is durable.
  using Answer = std::move_only_function<void(StorePosition, const Error*)>;

  void run();
  /// One turn: stages what waits, commits, answers. false: there was nothing.
  bool turn();
  void begin_group();
  void stage_controls();
  void stage_one(MutationRequest& request);
  void stage_one(DirectoryRequest& request);
  /// Slow work that is done in steps. true: something was staged.
  bool stage_upkeep();
  void stage_groups();
  void stage_request(SpoolRequest& request);
  void finish_body_group();
  /// Clock row, redo position, body id block and low-water mark, when they are due.
  void stage_marks();
  /// Whether this group must be on disk before anybody hears of it. Arrivals alone need not: their
  /// redo record is.
  bool must_sync() const noexcept;
  void commit_group();
  /// fsyncs rows that were written without, and settles refusals, when there was no reason to for a
  /// while.
  void sync_idle();
  void rows_synced();
  void after_success();
  void after_failure(const rocksdb::Status& status);
  void complete_requests();
  void answer(StorePosition position, const Error* error);

  Database& database_;
  EngineHealthState& health_;
  RowInbox& inbox_;
  DirectoryHolder& directory_;
  const ViewHorizon& horizon_;
  CompletionSink& sink_;
  const ChangeListener on_change_;
  const std::chrono::milliseconds sync_after_;
  BodyStage* bodies_ = nullptr;
  std::thread thread_;
  std::atomic<StorePosition> position_{0};
  StageCounters counters_;
  OwnedCounter completed_, messages_durable_, octets_durable_, mutations_, bodies_deleted_,
      clock_rows_;

  // Row thread only.
  WriteGate gate_;
  RowBatch batch_;
  Delivery delivery_;
  MailboxRemoval removal_;
  ExpungeCollector expunged_;
  RememberedReplies remembered_;
  std::deque<ControlRequest> controls_;

  // State that is kept only when its group is durable, and its staged successor.
  schema::Counters ids_, staged_ids_;
  std::optional<DirectoryEditor> editor_;
  std::vector<MailboxId> removed_mailboxes_;
  bool user_added_ = false;  // in this group
  struct StagedReply {
    RememberedReplies::Key key;
    MutationReply reply;
  };
  std::vector<StagedReply> replies_;
  std::vector<Answer> answers_;

  BodyGroup body_group_;             // being staged, over several groups of rows if it is large
  std::size_t body_group_next_ = 0;  // its first request that is not staged yet
  bool has_body_group_ = false;
  std::vector<SpoolRequest*> requests_;               // of this group, all
  std::vector<std::vector<SpoolRequest*>> per_core_;  // completions, by core
  std::vector<BodyId> deleted_;                       // in this group
  std::vector<DoomedBody> undeliverable_;             // durable bodies that get no rows
  std::set<std::uint64_t> orphans_;                   // such bodies, until they are gone

  RowProgress progress_;

  std::uint64_t clock_tick_;
  bool clock_due_ = false;
  std::uint64_t next_body_, settled_below_;  // as of the last group
  std::uint64_t ceiling_, staged_ceiling_;
  std::uint64_t low_water_, staged_low_water_;
  bool closing_ = false;
};

}  // namespace postern::store

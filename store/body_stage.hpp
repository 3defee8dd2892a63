// First stage of the committer: message octets. One thread drains every core's queue, writes what
// arrived during the last fsync as one WriteBatch into bodies/, fsyncs, and hands the group to the
// row stage.
//
// What grouping buys: bench/commit_bench on a shared 2 vCPU VM, CPU for a durable 4 KiB message
// with 1 / 8 / 64 / 256 in flight, plain batches into one database: 104 / 27 / 17 / 14 us; unsynced
// 12 to 20 us: under load fsync costs nearly no CPU. It costs waiting: redo_log.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <rocksdb/write_batch.h>
#include <thread>
#include <vector>

#include "runtime/spsc_queue.hpp"
#include "store/database.hpp"
#include "store/disk_space.hpp"
#include "store/doorbell.hpp"
#include "store/engine_health.hpp"
#include "store/spool.hpp"
#include "store/stage_counters.hpp"
#include "store/write_gate.hpp"

namespace postern::store {

/// Chunks of a body that nothing names any more.
struct DoomedBody {
  BodyId body{};
  std::uint32_t chunks = 0;
};

/// What one fsync of bodies/ made durable, on its way to the row stage.
struct BodyGroup {
  /// Number of its redo record (redo_log.hpp); 0: it has no whole message, hence none.
  std::uint64_t number = 0;
  /// In order of arrival. outcome pending: a whole message, its rows come next. Anything else:
  /// finished here (a segment, an abandon, a failure), to be completed.
  std::vector<SpoolRequest*> requests;
  /// Doomed bodies whose deletion is durable.
  std::vector<BodyId> deleted;
  /// Every body id below it is settled as far as this stage knows: durable and in this or an
  /// earlier group, or gone.
  BodyId settled_below{};
  /// Next id that will be given out.
  BodyId next_body{};
};

/// Where groups go: the row stage.
class BodyGroupSink {
 public:
  virtual ~BodyGroupSink() = default;
  /// Body thread. Blocks while the row stage is too far behind.
  virtual void take(BodyGroup group) = 0;
  /// Body thread, as its last call.
  virtual void end_of_groups() = 0;
};

class BodyStage {
 public:
  struct Options {
    std::uint32_t cores = 1;
    std::uint32_t queue_requests = 8192;
    BodyId next_body{1};             ///< first id to give out
    BodyId ceiling{1};               ///< ids below may be given out
    std::vector<DoomedBody> doomed;  ///< left over from before
    std::uint64_t next_group = 1;    ///< number of the next group with whole messages
  };

  BodyStage(Database& database, EngineHealthState& health, DiskSpace& disk, BodyGroupSink& sink,
            Options options);
  ~BodyStage();

  void start();
  /// Drains the queues, passes everything on, ends the thread. Blocks. Idempotent.
  void stop();

  /// Core thread `request->core` only. false: full, or stopped.
  bool submit(SpoolRequest* request);
  /// Row thread: remove these; they come back in a BodyGroup's `deleted`.
  void doom(std::vector<DoomedBody> bodies);
  /// Row thread: ids below `ceiling` may be given out (its meta row is durable).
  void set_ceiling(BodyId ceiling) noexcept;
  /// Row thread: the rows of all groups below `group` are synced, their redo records may go.
  void set_applied(std::uint64_t group) noexcept;
  StageStats stats() const noexcept { return counters_.copy(); }
  /// Requests submitted so far, all cores.
  std::uint64_t submitted() const noexcept;
  /// Bodies that have chunks on disk and no end, after the last group.
  std::uint64_t open() const noexcept { return open_count_.load(std::memory_order_relaxed); }

 private:
  /// A core's way in. The count has one writer, so it costs a plain store.
  struct Inlet {
    explicit Inlet(std::size_t capacity) : queue(capacity) {}
    SpscQueue<SpoolRequest*> queue;
    alignas(kCacheLineOctets) std::atomic<std::uint64_t> submitted{0};
  };

  void run();
  bool has_work() const noexcept;
  /// Takes what is there, up to the bounds of a group. false: nothing.
  bool collect(BodyGroup& group);
  void write_group(BodyGroup& group);
  /// Adds one request to the batch, or finishes it without IO.
  void stage(SpoolRequest& request);
  void stage_abandon(SpoolRequest& request);
  void stage_chunks(const SpoolRequest& request);
  void stage_redo(BodyGroup& group);
  void stage_redo_removal();
  void stage_deletions();
  void delete_chunks(std::uint64_t body, std::uint32_t chunks);
  /// Ends a request that is not written. A streamed one that was to end with it is given up here.
  void refuse(SpoolRequest& request, SpoolOutcome outcome, const std::string& why);
  void settle(BodyGroup& group);
  void refuse_group(BodyGroup& group, const rocksdb::Status& status);

  Database& database_;
  EngineHealthState& health_;
  DiskSpace& disk_;
  BodyGroupSink& sink_;
  Doorbell bell_;
  std::vector<std::unique_ptr<Inlet>> inlets_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> ceiling_;
  std::atomic<std::uint64_t> applied_;
  std::thread thread_;
  StageCounters counters_;
  WriteGate gate_;

  std::mutex doom_mutex_;
  std::vector<DoomedBody> doom_inbox_;
  std::atomic<bool> doom_waiting_{false};

  // Body thread only.
  std::size_t first_inlet_ = 0;  // whose turn it is to be drained first
  std::uint64_t next_body_;
  std::uint64_t next_group_;
  std::uint64_t redo_removed_below_;  // as far as it is written
  std::uint64_t redo_removed_in_batch_;
  std::string redo_;  // this group's record
  rocksdb::WriteBatch batch_;
  bool batch_sync_ = false;
  std::vector<rocksdb::Slice> parts_;  // of the chunk being staged
  /// Bodies that may have chunks on disk and no end yet, with their number of chunks: being
  /// streamed, or given up and not yet deleted.
  std::map<std::uint64_t, std::uint32_t> open_;
  std::atomic<std::uint64_t> open_count_{0};  // its size after the last group, for anybody
  std::vector<std::uint64_t> given_up_;       // in open_, to be deleted with the next groups
  std::size_t given_up_in_batch_ = 0;         // the first so many of them are in this batch
  std::vector<DoomedBody> doomed_;            // to be deleted with the next groups
  std::size_t doomed_in_batch_ = 0;
};

}  // namespace postern::store

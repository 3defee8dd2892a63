// What waits for the row stage: groups of durable bodies, mutations, directory changes, and
// signals.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <variant>

#include "runtime/result.hpp"
#include "store/body_stage.hpp"
#include "store/directory_change.hpp"
#include "store/doorbell.hpp"
#include "store/mutation.hpp"

namespace postern::store {

struct MutationRequest {
  Mutation mutation;
  std::move_only_function<void(Result<MutationReply>)> done;
};

struct DirectoryRequest {
  DirectoryChange change;
  std::move_only_function<void(Result<DirectoryReply>)> done;
};

using ControlRequest = std::variant<MutationRequest, DirectoryRequest>;

/// Answers a request that was not carried out.
void refuse(ControlRequest& request, ErrorCode code, const char* why);

/// Written by the body thread, worker threads and RocksDB's flush thread; emptied by the row
/// thread. One lock per group or control request, none per message. Must outlive the Database (its
/// listener rings).
class RowInbox final : public BodyGroupSink {
 public:
  /// Groups the body stage may be ahead. Two keep both disks' queues busy; more would only make
  /// messages wait here instead of in a larger group.
  static constexpr std::size_t kGroupsAheadMax = 4;
  /// Control requests that may wait: each is some hundred octets, and at a thousand an fsync this
  /// is a minute's work for a slow disk.
  static constexpr std::size_t kControlsWaitingMax = 64 * 1024;

  // Body thread.
  void take(BodyGroup group) override;
  void end_of_groups() override;

  /// Any thread. Refused at once when the store is closed or too many wait.
  void add(ControlRequest request);
  /// RocksDB's flush thread, under its locks.
  void rows_flushed() noexcept;

  // --- row thread
  // --------------------------------------------------------------------------------------

  /// The next group, if any.
  bool pop_group(BodyGroup& group);
  /// Moves all waiting control requests behind those in `controls`.
  void take_controls(std::deque<ControlRequest>& controls);
  /// Whether the tailed family was flushed since the last call.
  bool take_flushed() noexcept { return flushed_.exchange(false, std::memory_order_acq_rel); }
  /// The body stage ended and nothing is left here. From then on add() refuses.
  bool close_if_done();
  /// Until something of the above is there, or a second passed.
  void sleep();

 private:
  bool has_work();

  Doorbell bell_;
  std::atomic<bool> flushed_{false};
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<BodyGroup> groups_;
  std::deque<ControlRequest> controls_;
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace postern::store

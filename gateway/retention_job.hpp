// Removes messages that are older than their account's policy keeps them (POP-20).
#pragma once

#include <cstdint>
#include <memory>

#include "gateway/shared.hpp"
#include "runtime/event_loop.hpp"
#include "store/retention.hpp"

namespace postern::gateway {

/// Lives on core 0's loop. A pass every keep_check_interval: steps of a RetentionSweep on a worker,
/// one at a time, and what each finds is removed by a mutation before the next begins. So it never
/// takes more than one worker's step and one small group of the row thread at once, however much
/// there is to remove.
class RetentionJob {
 public:
  RetentionJob(GatewayShared& shared, EventLoop& loop, metrics::Cells& cells);

  /// The first pass begins an interval after the start, or a minute if that is less: a gateway that
  /// is restarted daily must get to it, too.
  void start();
  /// No further step begins. stopped() turns true when none is under way.
  void stop();
  bool stopped() const noexcept { return !step_outstanding_; }

 private:
  void begin_pass();
  void next_step();
  void on_step(Result<std::optional<store::Expunge>> found);
  void on_removed(const Result<store::MutationReply>& reply);
  void end_pass();

  GatewayShared& shared_;
  EventLoop& loop_;
  metrics::Cells& cells_;
  std::shared_ptr<store::RetentionSweep> sweep_;  // of the pass under way; also the worker's
  std::uint64_t removed_count_ = 0;               // in this pass
  std::uint64_t key_high_ = 0;                    // of its mutations: random per process
  std::uint64_t key_low_ = 0;
  bool step_outstanding_ = false;
  bool stopping_ = false;
  Timer timer_;
};

}  // namespace postern::gateway

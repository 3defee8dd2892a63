// The moving part of a reader's view: the tailed rows of mail/, the gate in front of them, and the
// moves. Internal to the reader side.
//
// Why rows alone are followed: bench/tail_bench on a shared 2 vCPU VM, CPU a message that arrived,
// catching up every 256 messages: 4.8 us for rows alone through this view; 8.3 us when 4 KiB bodies
// stand in the same log although their family is not opened; 10.6 us when it is. Every
// 4,096: 4.0, 8.2 and 8.8 us. A catch-up that finds one message costs 27 us, one that finds none 19
// us: it is asked for, not polled.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "runtime/result.hpp"
#include "store/secondary_db.hpp"
#include "store/types.hpp"
#include "store/view_gate.hpp"

namespace postern::store {

/// Counters since open.
struct MailViewStats {
  std::uint64_t catch_ups = 0;        ///< successful
  std::uint64_t catch_up_micros = 0;  ///< time they took together
  std::uint64_t attempts_failed = 0;  ///< incomplete catch-ups, which were repeated
  std::uint64_t reopens = 0;
};

/// Any thread; every call may block. Two locks:
///   the mover's role (moving_): one thread at a time moves the view or exchanges the instance;
///   the gate: shared by reads, exclusive for the moments in which the view moves.
class MailView {
 public:
  using Gate = std::shared_lock<ViewGate>;

  /// `on_exchanged` runs after the instance was exchanged (asked for, or because it kept failing):
  /// what was read before may be of another store.
  static Result<std::unique_ptr<MailView>> open(SecondaryOptions options,
                                                std::function<void()> on_exchanged);

  /// Lets a read in: while the lock is held the view is whole and does not move. Hold it shortly,
  /// open iterators behind it and close them before it is released. unavailable: the view is broken
  /// just now.
  Result<Gate> enter();
  /// For holders of the gate.
  rocksdb::DB& rows() noexcept { return mail_->db(); }

  /// See ReaderView.
  Result<void> advance_to(StorePosition position, std::chrono::milliseconds timeout);
  Result<void> advance(std::chrono::milliseconds timeout);
  Result<void> reopen(std::chrono::milliseconds timeout);
  StorePosition position() const noexcept { return position_.load(std::memory_order_acquire); }

  MailViewStats stats() const noexcept;

 private:
  MailView(SecondaryOptions options, std::function<void()> on_exchanged,
           std::unique_ptr<SecondaryDb> mail);

  bool shows(StorePosition position) const noexcept {
    return intact_.load(std::memory_order_acquire) && this->position() >= position;
  }
  /// Moves the view until `reached` (called under move_mutex_) holds.
  Result<void> move_until(const std::function<bool()>& reached, std::chrono::milliseconds timeout);
  /// Makes the caller the mover; `lock` (of move_mutex_) is released. Gives the number of its pass.
  std::uint64_t begin_move(std::unique_lock<std::mutex>& lock);
  void end_move(std::unique_lock<std::mutex>& lock, std::uint64_t number, bool complete);
  Result<void> catch_up();
  Result<void> exchange();

  const SecondaryOptions options_;
  const std::function<void()> on_exchanged_;
  ViewGate gate_;
  std::unique_ptr<SecondaryDb> mail_;    // under gate_
  std::atomic<StorePosition> position_;  // written by the mover
  std::atomic<bool> intact_ = true;      // false: the last catch-up failed, rows may be missing
  std::uint64_t failed_in_a_row_ = 0;    // the mover's

  std::mutex move_mutex_;
  std::condition_variable moved_;
  bool moving_ = false;       // these three under move_mutex_
  std::uint64_t passes_ = 0;  // begun
  std::uint64_t last_complete_pass_ = 0;

  std::atomic<std::uint64_t> catch_ups_ = 0;
  std::atomic<std::uint64_t> catch_up_micros_ = 0;
  std::atomic<std::uint64_t> attempts_failed_ = 0;
  std::atomic<std::uint64_t> reopens_ = 0;
};

}  // namespace postern::store

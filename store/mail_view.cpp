#include "store/mail_view.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <thread>
#include <utility>

#include "store/reader_view.hpp"

namespace postern::store {

namespace {

using Clock = std::chrono::steady_clock;

/// Attempts of one catch-up while reads wait at the gate. An attempt is incomplete only when the
/// writer removes a file in just that moment; a few milliseconds later that is over.
constexpr int kAttempts = 4;
constexpr std::chrono::milliseconds kAttemptPause{1};

/// Pause between passes that were complete but not far enough, or failed: doubles from the first to
/// the last.
constexpr std::chrono::microseconds kFirstPause{200};
constexpr std::chrono::microseconds kLastPause{20'000};

/// Failed passes in a row after which the instance is opened anew: a reader of a MANIFEST or WAL
/// that met damage (a file replaced under it) stays broken for good.
constexpr std::uint64_t kFailedPassesBeforeReopen = 3;

void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

Result<std::unique_ptr<MailView>> MailView::open(SecondaryOptions options,
                                                 std::function<void()> on_exchanged) {
  Result<std::unique_ptr<SecondaryDb>> mail = SecondaryDb::open(options);
  if (!mail) return std::unexpected(std::move(mail.error()));
  return std::unique_ptr<MailView>(
      new MailView(std::move(options), std::move(on_exchanged), std::move(*mail)));
}

MailView::MailView(SecondaryOptions options, std::function<void()> on_exchanged,
                   std::unique_ptr<SecondaryDb> mail)
    : options_(std::move(options)),
      on_exchanged_(std::move(on_exchanged)),
      mail_(std::move(mail)),
      position_(mail_->sequence()) {}

Result<MailView::Gate> MailView::enter() {
  for (const bool last : {false, true}) {
    Gate gate(gate_);
    if (intact_.load(std::memory_order_relaxed)) return gate;
    gate.unlock();
    if (last) break;
    const auto intact = [this] { return intact_.load(std::memory_order_relaxed); };
    if (Result<void> moved = move_until(intact, kAdvanceTimeout); !moved) {
      return std::unexpected(std::move(moved.error()));
    }
  }
  return fail(ErrorCode::unavailable, "the view of the store cannot be brought up to date now");
}

Result<void> MailView::advance_to(StorePosition position, std::chrono::milliseconds timeout) {
  if (shows(position)) return {};
  return move_until([this, position] { return shows(position); }, timeout);
}

Result<void> MailView::advance(std::chrono::milliseconds timeout) {
  std::uint64_t begun = 0;
  {
    const std::lock_guard lock(move_mutex_);
    begun = passes_;
  }
  // A pass that is under way may have looked before the caller's reason to ask arose.
  return move_until([this, begun] { return last_complete_pass_ > begun; }, timeout);
}

Result<void> MailView::move_until(const std::function<bool()>& reached,
                                  std::chrono::milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  std::chrono::microseconds pause = kFirstPause;
  std::string why = "the store has not got that far";
  const auto too_late = [&] {
    return fail(ErrorCode::unavailable,
                fmt::format("the view of the store did not get far enough within {} ms: {}",
                            timeout.count(), why));
  };
  std::unique_lock lock(move_mutex_);
  while (!reached()) {
    if (moving_) {
      // Somebody is at it. What comes of it may do for us as well.
      if (!moved_.wait_until(lock, deadline, [this] { return !moving_; })) return too_late();
      continue;
    }
    if (Clock::now() >= deadline) return too_late();
    const std::uint64_t number = begin_move(lock);
    Result<void> moved = catch_up();
    end_move(lock, number, moved.has_value());
    if (!moved) why = std::move(moved.error().message);
    if (reached()) break;
    moved_.wait_until(lock, std::min(deadline, Clock::now() + pause));
    pause = std::min(pause * 2, kLastPause);
  }
  return {};
}

std::uint64_t MailView::begin_move(std::unique_lock<std::mutex>& lock) {
  moving_ = true;
  const std::uint64_t number = ++passes_;
  lock.unlock();
  return number;
}

void MailView::end_move(std::unique_lock<std::mutex>& lock, std::uint64_t number, bool complete) {
  lock.lock();
  moving_ = false;
  if (complete) last_complete_pass_ = number;
  moved_.notify_all();
}

/// The mover's: reads wait meanwhile.
Result<void> MailView::catch_up() {
  const Clock::time_point begun = Clock::now();
  Result<void> caught_up;
  {
    const std::unique_lock guard(gate_);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (attempt > 0) std::this_thread::sleep_for(kAttemptPause * attempt);
      caught_up = mail_->catch_up();
      intact_.store(caught_up.has_value(), std::memory_order_release);
      if (caught_up) break;
      count(attempts_failed_);
    }
    if (caught_up) position_.store(mail_->sequence(), std::memory_order_release);
  }
  if (caught_up) {
    failed_in_a_row_ = 0;
    count(catch_ups_);
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
    count(catch_up_micros_, static_cast<std::uint64_t>(took.count()));
    return {};
  }
  if (++failed_in_a_row_ < kFailedPassesBeforeReopen) return caught_up;
  failed_in_a_row_ = 0;
  return exchange();
}

/// The mover's: a new instance, which has caught up, takes the place of the old one.
Result<void> MailView::exchange() {
  Result<std::unique_ptr<SecondaryDb>> opened = SecondaryDb::open(options_);
  if (!opened) return std::unexpected(std::move(opened.error()));
  {
    const std::unique_lock guard(gate_);
    mail_.swap(*opened);
    position_.store(mail_->sequence(), std::memory_order_release);
    intact_.store(true, std::memory_order_release);
  }
  on_exchanged_();
  count(reopens_);
  return {};
}

Result<void> MailView::reopen(std::chrono::milliseconds timeout) {
  std::unique_lock lock(move_mutex_);
  if (!moved_.wait_for(lock, timeout, [this] { return !moving_; })) {
    return fail(ErrorCode::unavailable, "the view of the store is busy catching up");
  }
  const std::uint64_t number = begin_move(lock);
  Result<void> exchanged = exchange();
  end_move(lock, number, exchanged.has_value());
  return exchanged;
}

MailViewStats MailView::stats() const noexcept {
  return {.catch_ups = catch_ups_.load(std::memory_order_relaxed),
          .catch_up_micros = catch_up_micros_.load(std::memory_order_relaxed),
          .attempts_failed = attempts_failed_.load(std::memory_order_relaxed),
          .reopens = reopens_.load(std::memory_order_relaxed)};
}

}  // namespace postern::store

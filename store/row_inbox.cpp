#include "store/row_inbox.hpp"

#include <iterator>
#include <utility>

namespace postern::store {

namespace {

// The row stage has nothing to do on its own; waking now and then is only a safety net.
constexpr std::int64_t kIdleNanos = 1'000'000'000;

}  // namespace

void refuse(ControlRequest& request, ErrorCode code, const char* why) {
  std::visit([&](auto& one) { one.done(fail(code, why)); }, request);
}

void RowInbox::take(BodyGroup group) {
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return groups_.size() < kGroupsAheadMax; });
    groups_.push_back(std::move(group));
  }
  bell_.ring();
}

void RowInbox::end_of_groups() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  bell_.ring();
}

void RowInbox::add(ControlRequest request) {
  bool closed = false;
  {
    const std::lock_guard lock(mutex_);
    closed = closed_;
    if (!closed && controls_.size() < kControlsWaitingMax) {
      controls_.push_back(std::move(request));
      bell_.ring();
      return;
    }
  }
  if (closed) return refuse(request, ErrorCode::aborted, "the store is closed");
  refuse(request, ErrorCode::exhausted, "too many changes wait for the store");
}

void RowInbox::rows_flushed() noexcept {
  flushed_.store(true, std::memory_order_release);
  bell_.ring();
}

bool RowInbox::pop_group(BodyGroup& group) {
  const std::lock_guard lock(mutex_);
  if (groups_.empty()) return false;
  group = std::move(groups_.front());
  groups_.pop_front();
  room_.notify_one();
  return true;
}

void RowInbox::take_controls(std::deque<ControlRequest>& controls) {
  const std::lock_guard lock(mutex_);
  if (controls_.empty()) return;
  controls.insert(controls.end(), std::make_move_iterator(controls_.begin()),
                  std::make_move_iterator(controls_.end()));
  controls_.clear();
}

bool RowInbox::close_if_done() {
  const std::lock_guard lock(mutex_);
  if (!ended_ || !groups_.empty() || !controls_.empty()) return false;
  closed_ = true;
  return true;
}

bool RowInbox::has_work() {
  if (flushed_.load(std::memory_order_acquire)) return true;
  const std::lock_guard lock(mutex_);
  return ended_ || !groups_.empty() || !controls_.empty();
}

void RowInbox::sleep() {
  bell_.sleep([this] { return has_work(); }, kIdleNanos);
}

}  // namespace postern::store

// Something that is done at a given time on a core's loop: an answer that is held back.
#pragma once

#include <functional>
#include <utility>

#include "runtime/event_loop.hpp"

namespace postern::gateway {

/// Runs `then` once, at `at` or up to a tick later, unless it is destroyed before. `then` may
/// destroy the object. On the loop's thread.
class DelayedCall {
 public:
  DelayedCall(EventLoop& loop, MonoTime at, std::move_only_function<void()> then)
      : then_(std::move(then)),
        timer_(this, [](void* self, Now) { static_cast<DelayedCall*>(self)->run(); }) {
    loop.timers().arm(timer_, at);
  }
  /// Does it now, for a process that is stopping.
  void run() {
    auto then = std::exchange(then_, nullptr);
    if (then) then();
  }

 private:
  std::move_only_function<void()> then_;
  Timer timer_;
};

}  // namespace postern::gateway

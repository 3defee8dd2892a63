// Logins of one connection whose answers are held back by a penalty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/delayed_call.hpp"
#include "runtime/assert.hpp"
#include "store/rpc/service_session.hpp"

namespace postern::gateway {

/// By the id of their request. On the loop's thread.
class HeldLogins {
 public:
  /// Each is an outcome and a timer, some 512 octets with usual names: 4 MiB a connection. At the
  /// default `login_delay_max` of ten seconds it is reached by 800 penalised logins a second. Who
  /// would have to wait beyond it is told to try again later, at once.
  static constexpr std::size_t kHeldLoginsMax = 8 * 1024;
  static_assert(kHeldLoginsMax < store::rpc::kLoginsOutstandingMax,
                "whoever need not wait gets in all the same");

  bool full() const noexcept { return held_.size() >= kHeldLoginsMax; }
  std::size_t size() const noexcept { return held_.size(); }

  /// Runs `answer` once, at `at`; it may destroy this object. Not when full().
  void hold(EventLoop& loop, std::uint64_t id, MonoTime at,
            std::move_only_function<void()> answer) {
    POSTERN_ASSERT(!full());
    held_[id] =
        std::make_unique<DelayedCall>(loop, at, [this, id, answer = std::move(answer)]() mutable {
          const auto done = held_.extract(id);
          answer();
        });
  }

  /// Answers all of them now, for a process that is stopping. The last answer may destroy this.
  void answer_all() {
    std::vector<std::uint64_t> ids;
    ids.reserve(held_.size());
    for (const auto& [id, call] : held_) ids.push_back(id);
    for (const std::uint64_t id : ids) {
      if (const auto found = held_.find(id); found != held_.end()) found->second->run();
    }
  }

 private:
  std::unordered_map<std::uint64_t, std::unique_ptr<DelayedCall>> held_;
};

}  // namespace postern::gateway

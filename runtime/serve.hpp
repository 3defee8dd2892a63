// The long middle of a daemon's life: wait for the signal, then drain.
#pragma once

#include <functional>
#include <string>

#include "runtime/core_group.hpp"

namespace postern {

/// What the main thread does while the cores work.
struct ServeHooks {
  std::function<void()> reload;    ///< at SIGHUP
  std::function<void()> periodic;  ///< once every `period`
  Duration period{};               ///< zero: never
};

/// Blocks the main thread until SIGTERM or SIGINT, then drains the cores for at most
/// `drain_timeout` and stops them. A second signal cuts the drain short. `name` is the first word
/// of the log events.
void serve_until_signal(CoreGroup& cores, Duration drain_timeout, const std::string& name,
                        const ServeHooks& hooks);

}  // namespace postern

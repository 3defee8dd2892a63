#include "runtime/serve.hpp"

#include <csignal>
#include <pthread.h>
#include <thread>

#include "runtime/log.hpp"
#include "runtime/process.hpp"

namespace postern {

namespace {

int wait_for_end() {
  int signal = process::wait_for_signal();
  while (signal == SIGHUP) signal = process::wait_for_signal();
  return signal;
}

// Serves the hooks until the end is asked for.
int serve_hooks(const std::string& name, const ServeHooks& hooks) {
  MonoTime next = read_clocks().mono + hooks.period;
  while (true) {
    Duration wait = Duration::zero();
    if (hooks.period > Duration::zero()) {
      wait = next - read_clocks().mono;
      if (wait <= Duration::zero()) {
        hooks.periodic();
        next = read_clocks().mono + hooks.period;
        continue;
      }
    }
    const int signal = process::wait_for_signal(wait);
    if (signal == SIGHUP) {
      log::event(log::Level::info, name + ".reloading", {});
      if (hooks.reload) hooks.reload();
    } else if (signal != 0) {
      return signal;
    }
  }
}

}  // namespace

void serve_until_signal(CoreGroup& cores, Duration drain_timeout, const std::string& name,
                        const ServeHooks& hooks) {
  const int signal = serve_hooks(name, hooks);
  log::event(log::Level::info, name + ".draining", {{"signal", signal}});
  std::thread impatience([&cores] {
    wait_for_end();
    cores.hurry();
  });
  cores.stop(drain_timeout);
  ::pthread_kill(impatience.native_handle(), SIGTERM);
  impatience.join();
}

}  // namespace postern

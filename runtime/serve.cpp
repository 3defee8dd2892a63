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

}  // namespace

void serve_until_signal(CoreGroup& cores, Duration drain_timeout, const std::string& name) {
  const int signal = wait_for_end();
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

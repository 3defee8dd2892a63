#include "runtime/core_group.hpp"

#include <future>
#include <pthread.h>
#include <sched.h>

#include "runtime/assert.hpp"

namespace postern {

namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // Refused in some containers: the core then runs where the scheduler puts it.
  (void)::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

}  // namespace

std::uint32_t available_cpus() { return static_cast<std::uint32_t>(allowed_cpus().size()); }

Result<std::unique_ptr<CoreGroup>> CoreGroup::start(const Options& options,
                                                    const Factory& factory) {
  POSTERN_ASSERT(options.count > 0);
  std::unique_ptr<CoreGroup> group(new CoreGroup);
  const std::vector<int> cpus = allowed_cpus();
  for (std::uint32_t index = 0; index < options.count; ++index) {
    auto core = std::make_unique<Core>();
    std::promise<Result<void>> started;
    std::future<Result<void>> outcome = started.get_future();
    core->thread = std::thread([&options, &factory, &cpus, index, core = core.get(),
                                group = group.get(), started = std::move(started)]() mutable {
      const std::string name = "core-" + std::to_string(index);
      ::pthread_setname_np(::pthread_self(), name.c_str());
      if (options.pin) pin_to(cpus[index % cpus.size()]);
      if (options.on_thread_start) options.on_thread_start(index);
      auto loop = EventLoop::create(options.ring);
      if (!loop) return started.set_value(std::unexpected(loop.error()));
      auto service = factory(**loop, index);
      if (!service) return started.set_value(std::unexpected(service.error()));
      core->loop = loop->get();
      core->service = service->get();
      started.set_value({});
      // From here on nothing of start()'s frame is touched.
      core->loop->run();
      group->drained_count_.fetch_add(1);
      group->released_.wait(false);
    });
    Result<void> result = outcome.get();
    if (!result) {
      core->thread.join();
      group->stop(Duration::zero());
      return std::unexpected(result.error());
    }
    group->cores_.push_back(std::move(core));
  }
  return group;
}

CoreGroup::~CoreGroup() { stop(Duration::zero()); }

void CoreGroup::stop(Duration timeout) {
  if (stopped_) return;
  stopped_ = true;
  for (auto& core : cores_) {
    core->loop->post([core = core.get()] {
      core->service->begin_drain();
      core->loop->add_source([core] {
        if (core->service->drained()) core->loop->stop();
        return false;
      });
    });
  }
  const MonoTime deadline = read_clocks().mono + timeout;
  bool aborted = false;
  while (drained_count_.load() < cores_.size()) {
    if (!aborted && (hurry_.load() || read_clocks().mono >= deadline)) {
      aborted = true;
      for (auto& core : cores_) {
        core->loop->post([core = core.get()] { core->service->abort_all(); });
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  released_.store(true);
  released_.notify_all();
  for (auto& core : cores_) core->thread.join();
}

}  // namespace postern

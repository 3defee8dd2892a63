#include "runtime/worker_pool.hpp"

#include <pthread.h>

#include "runtime/assert.hpp"

namespace postern {

WorkerPool::WorkerPool(std::uint32_t threads, std::size_t queue_max, const std::string& name)
    : queue_max_(queue_max) {
  POSTERN_ASSERT(threads > 0);
  for (std::uint32_t index = 0; index < threads; ++index) {
    threads_.emplace_back([this] { run(); });
    // Thread names are cut at 15 octets by the kernel.
    ::pthread_setname_np(threads_.back().native_handle(),
                         (name + "-" + std::to_string(index)).substr(0, 15).c_str());
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  available_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= queue_max_) return false;
    jobs_.push_back(std::move(job));
  }
  available_.notify_one();
  return true;
}

std::size_t WorkerPool::queued() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

void WorkerPool::run() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      available_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace postern

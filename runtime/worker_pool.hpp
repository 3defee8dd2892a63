// A bounded pool of threads for work that may block: password hashes, reads that may touch the
// disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace postern {

/// Core threads never block, so they put such work here and get the answer back through
/// EventLoop::post(), which the job calls itself. Thread-safe.
class WorkerPool {
 public:
  using Job = std::move_only_function<void()>;

  /// `queue_max`: jobs that may wait; beyond it submit() refuses, so that a flood of logins costs a
  /// clear "try later" and not memory.
  WorkerPool(std::uint32_t threads, std::size_t queue_max, const std::string& name);
  /// Runs what is queued, then joins.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// False: the queue is full and the job was not taken.
  [[nodiscard]] bool submit(Job job);
  std::size_t queued() const;

 private:
  void run();

  const std::size_t queue_max_;
  mutable std::mutex mutex_;
  std::condition_variable available_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace postern

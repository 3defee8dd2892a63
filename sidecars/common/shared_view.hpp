// The process's view of the store, opened when the gateway first says where it is and reopened
// after the gateway was restarted.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/result.hpp"
#include "store/reader_view.hpp"

namespace postern::sidecars {

/// One per process, shared by its cores' worker jobs. Thread-safe.
class SharedView {
 public:
  /// `scratch_path`: folder of this process's own for the engine's log files.
  explicit SharedView(std::string scratch_path) : scratch_path_(std::move(scratch_path)) {}

  /// Worker threads: opens the view on the first call; when `gateway_epoch` differs from the one
  /// before, the gateway was restarted and the view is opened anew. Blocks.
  Result<void> follow(const std::string& store_path, std::uint64_t gateway_epoch);
  /// The view; nullptr before the first follow() succeeded.
  std::shared_ptr<store::ReaderView> get() const noexcept { return view_.load(); }

 private:
  const std::string scratch_path_;
  std::mutex mutex_;
  std::uint64_t epoch_ = 0;
  std::atomic<std::shared_ptr<store::ReaderView>> view_;
};

}  // namespace postern::sidecars

// Reads message octets from bodies/. Internal to the reader side.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/result.hpp"
#include "store/secondary_db.hpp"
#include "store/types.hpp"
#include "store/view_gate.hpp"

namespace postern::store {

/// A secondary instance that catches up only when a body is not there: following it closely would
/// cost a sidecar more than everything else it does (architecture.md, section 6). Bodies are
/// written once and before the rows that name them, so a body of a visible row is there after one
/// catch-up, and half a batch does no harm. Any thread.
class BodyReader {
 public:
  static Result<std::unique_ptr<BodyReader>> open(SecondaryOptions options);

  /// See ReaderView::read_body().
  Result<std::string> read(BodyId body, std::uint64_t offset, std::uint64_t length);
  /// See ReaderView::reopen().
  Result<void> reopen();
  std::uint64_t catch_ups() const noexcept { return passes_.load(std::memory_order_relaxed); }

 private:
  enum class Outcome : std::uint8_t { complete, chunk_missing, no_body };

  BodyReader(SecondaryOptions options, std::unique_ptr<SecondaryDb> db)
      : options_(std::move(options)), db_(std::move(db)) {}
  Result<Outcome> try_read(BodyId body, std::uint64_t offset, std::uint64_t length,
                           std::string& out);
  Result<bool> chunk(BodyId body, std::uint64_t index, std::string& octets);
  Result<void> catch_up_after(std::uint64_t pass);

  const SecondaryOptions options_;
  ViewGate gate_;  // shared: use of db_; exclusive: its exchange
  std::unique_ptr<SecondaryDb> db_;
  std::mutex catch_up_mutex_;
  std::atomic<std::uint64_t> passes_ = 0;  // catch-ups begun; written under catch_up_mutex_
  bool last_pass_complete_ = true;         // under catch_up_mutex_
};

}  // namespace postern::store

// Removes the last trace of expunged messages from the mailbox rows, when no reader can mistake
// that for their return.
//
// An expunge is a row. If it went while an older row of the message could still sit in some
// reader's copy of an old memtable, that row would be the first one found, and the message would be
// back (architecture.md, section 6). So in two rounds, each at least kTicks flushes after the one
// before, and every view past the clock row of the last: first the older versions, then, when
// nothing else is found, the expunge row. The change log keeps its entry: that is how a client
// which was away for long learns of the expunge (QRESYNC).
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "runtime/result.hpp"
#include "store/row_batch.hpp"
#include "store/types.hpp"

namespace postern::store {

/// Row thread. What is left to do is in the meta family, put there with the expunge itself.
class ExpungeCollector {
 public:
  /// Flushes of the tailed family between two rounds. The first may have begun before the rows were
  /// written, the second may have been queued behind it; the third has certainly taken them along.
  static constexpr std::uint64_t kTicks = 3;

  explicit ExpungeCollector(Database& database) : database_(database) {}

  /// A clock row is durable at `position`.
  void clock_written(std::uint64_t tick, StorePosition position);
  /// Stages a step if one is due. true: something was staged. An error leaves no trace.
  Result<bool> stage(RowBatch& batch, StorePosition oldest_view);
  /// The group with the staged step is durable (or not: then it is done again).
  void committed(bool durable);

 private:
  /// Looks at one entry: stages what it needs. Returns how many rows it staged.
  Result<std::size_t> stage_entry(RowBatch& batch, std::string_view key, std::string_view record);

  Database& database_;
  std::deque<std::pair<std::uint64_t, StorePosition>> clocks_;  // not yet seen by every view
  std::uint64_t seen_tick_ = 0;  // newest clock row that every view has seen
  std::uint64_t done_tick_ = 0;  // seen_tick_ when there was nothing left
  bool finished_ = false;        // by the staged step
};

}  // namespace postern::store

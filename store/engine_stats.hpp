// Counters of the store engine, as one consistent-enough copy for metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace postern::store {

/// Whether mail can be accepted now.
enum class EngineHealth : std::uint8_t {
  ok,
  disk_low,  ///< free space is below disk_free_min_octets: new mail gets no_space (SMTP-13)
  failed,  ///< a database reported an error it cannot write past; stays until the process restarts
};

/// How long something took: counts by powers of two, so that recording is one addition.
struct LatencyHistogram {
  /// Bucket i counts durations below 2^i * 16 us; the last one everything longer (2^15 * 16 us =
  /// 0.5 s).
  static constexpr std::size_t kBuckets = 17;
  static constexpr std::uint64_t kFirstBoundMicros = 16;
  std::array<std::uint64_t, kBuckets> counts{};
  std::uint64_t sum_micros = 0;
};

/// One stage of the committer.
struct StageStats {
  std::uint64_t groups = 0;    ///< writes, each one batch
  std::uint64_t requests = 0;  ///< messages (row stage: and mutations) in them
  std::uint64_t octets = 0;    ///< of their write batches
  std::uint64_t stalls = 0;    ///< groups refused by no_slowdown
  std::uint64_t errors = 0;    ///< groups that failed otherwise
  LatencyHistogram sync;       ///< write of a group, with its fsync if it has one
};

/// Since open, but for the depths.
struct EngineStats {
  StageStats bodies;
  StageStats rows;
  std::uint64_t messages_durable = 0;
  std::uint64_t octets_durable = 0;
  std::uint64_t mutations_applied = 0;
  std::uint64_t requests_waiting = 0;  ///< submitted and not completed at this moment
  std::uint64_t bodies_deleted = 0;
  /// Begun and neither complete nor deleted: large messages that arrive, or were given up.
  std::uint64_t bodies_open = 0;
  std::uint64_t clock_rows = 0;        ///< flushes of the tailed family
  std::uint64_t rows_collected = 0;    ///< superseded versions removed
  std::uint64_t disk_free_octets = 0;  ///< at the last check, some seconds old at most
  // What the start found and mended.
  std::uint64_t messages_restored = 0;  ///< durable messages whose rows a power loss had taken
  std::uint64_t bodies_removed = 0;     ///< bodies of messages that were never acknowledged
};

}  // namespace postern::store

// Time as protocol code sees it: it is given the time, it never asks for it.
#pragma once

#include <chrono>
#include <cstdint>

namespace postern {

/// The monotonic clock's time line without its now(): sessions cannot read a clock by accident.
struct MonotonicLine {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<MonotonicLine, duration>;
  static constexpr bool is_steady = true;
};

/// A moment on CLOCK_MONOTONIC. Comparable within one machine's uptime only.
using MonoTime = MonotonicLine::time_point;
using Duration = std::chrono::nanoseconds;

/// Both clocks, read together by the event loop once a turn and handed to whatever it calls.
struct Now {
  MonoTime mono{};  ///< for deadlines and intervals
  std::int64_t unix_ms =
      0;  ///< wall clock, milliseconds since 1970-01-01 UTC: for dates and stored times
};

/// Reads both clocks. For event loops, threads outside them, tools and tests; never for a session.
Now read_clocks() noexcept;

}  // namespace postern

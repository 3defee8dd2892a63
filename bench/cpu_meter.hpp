// CPU time of this process, all threads, for benchmarks whose work is spread over several.
#pragma once

#include <ctime>

namespace postern::bench {

/// Counts from its construction.
class CpuMeter {
 public:
  explicit CpuMeter(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID)
      : clock_(clock), start_micros_(read()) {}
  /// CPU since construction, user and system, in microseconds.
  double micros() const { return read() - start_micros_; }

 private:
  double read() const {
    timespec now{};
    ::clock_gettime(clock_, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
  }
  clockid_t clock_;
  double start_micros_;
};

}  // namespace postern::bench

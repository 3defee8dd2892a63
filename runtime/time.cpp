#include "runtime/time.hpp"

#include <time.h>

namespace postern {

Now read_clocks() noexcept {
  timespec mono{};
  timespec real{};
  ::clock_gettime(CLOCK_MONOTONIC, &mono);
  ::clock_gettime(CLOCK_REALTIME, &real);
  return Now{
      .mono = MonoTime(std::chrono::seconds(mono.tv_sec) + std::chrono::nanoseconds(mono.tv_nsec)),
      .unix_ms = static_cast<std::int64_t>(real.tv_sec) * 1000 + real.tv_nsec / 1'000'000,
  };
}

}  // namespace postern

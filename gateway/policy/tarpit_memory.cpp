#include "gateway/policy/tarpit_memory.hpp"

#include <algorithm>

namespace postern::policy {

void TarpitMemory::remember(const KeyedDigest& source, MonoTime now) {
  if (lifetime_ <= Duration::zero()) return;
  const auto left = [now](MonoTime& until) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, (until - now).count()));
  };
  table_.with(source, left, [&](MonoTime& until) { until = std::max(until, now + lifetime_); });
}

bool TarpitMemory::remembers(const KeyedDigest& source, MonoTime now) {
  bool found = false;
  table_.find(source, [&](MonoTime& until) { found = now < until; });
  return found;
}

}  // namespace postern::policy

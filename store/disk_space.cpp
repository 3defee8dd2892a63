#include "store/disk_space.hpp"

#include <chrono>
#include <sys/statvfs.h>

namespace postern::store {

void DiskSpace::refresh(MonoTime now) noexcept {
  if (now < next_) return;
  next_ = now + std::chrono::seconds(1);
  struct statvfs facts{};
  if (::statvfs(path_.c_str(), &facts) != 0) return;
  const std::uint64_t free_octets = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  free_.store(free_octets, std::memory_order_relaxed);
  health_.set_disk_low(free_octets < free_min_octets_);
}

}  // namespace postern::store

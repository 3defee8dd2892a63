// How much room the store's file system has, asked about once a second.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "runtime/time.hpp"
#include "store/engine_health.hpp"

namespace postern::store {

/// refresh() on one thread, free_octets() on any.
class DiskSpace {
 public:
  DiskSpace(std::string path, std::uint64_t free_min_octets, EngineHealthState& health)
      : path_(std::move(path)), free_min_octets_(free_min_octets), health_(health) {}

  /// Asks the file system if the last answer is older than a second. Sets the health's disk_low. A
  /// file system that does not answer counts as it did before: the write itself will say what is
  /// wrong.
  void refresh(MonoTime now) noexcept;
  /// As of the last refresh.
  std::uint64_t free_octets() const noexcept { return free_.load(std::memory_order_relaxed); }

 private:
  const std::string path_;
  const std::uint64_t free_min_octets_;
  EngineHealthState& health_;
  MonoTime next_{};
  std::atomic<std::uint64_t> free_{0};
};

}  // namespace postern::store

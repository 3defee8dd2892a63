// The current directory picture, published by the row thread to everybody.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "store/directory_picture.hpp"

namespace postern::store {

/// Thread-safe. Readers poll generation() and fetch the picture only when it moved.
class DirectoryHolder {
 public:
  explicit DirectoryHolder(std::shared_ptr<const DirectoryPicture> picture)
      : picture_(std::move(picture)) {}

  std::shared_ptr<const DirectoryPicture> get() const {
    const std::lock_guard lock(mutex_);
    return picture_;
  }
  void publish(std::shared_ptr<const DirectoryPicture> picture) {
    {
      const std::lock_guard lock(mutex_);
      picture_.swap(picture);
    }
    generation_.fetch_add(1, std::memory_order_release);
  }
  std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const DirectoryPicture> picture_;
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace postern::store

// A scratch folder for a benchmark that writes to disk.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace postern::bench {

/// A new folder in $POSTERN_BENCH_DIR, or in the working directory; removed with what is in it at
/// the end. What is measured is the disk below, so neither should be in memory.
class BenchFolder {
 public:
  BenchFolder() {
    const char* parent = std::getenv("POSTERN_BENCH_DIR");
    std::filesystem::path pattern = parent == nullptr ? std::filesystem::current_path() : parent;
    std::string name = (pattern / "postern-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~BenchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;

  /// Empty when the folder could not be made.
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace postern::bench

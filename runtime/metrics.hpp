// Metrics counted per thread without sharing, summed when Prometheus asks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "runtime/spsc_queue.hpp"

namespace postern::metrics {

/// Kinds as Prometheus knows them.
enum class Kind : std::uint8_t { counter, gauge };

/// What a metric is called. Names follow Prometheus' conventions: postern_<what>_<unit>[_total].
struct Description {
  std::string name;
  std::string help;
  Kind kind = Kind::counter;
  std::string label_name;  ///< empty: no label
  std::string label_value;
};

/// One thread's cells. Only that thread adds; the exporter reads. A cell is a plain load and store,
/// no locked instruction, and no two threads share a cache line of cells.
class Cells {
 public:
  explicit Cells(std::size_t count) : lines_(count / kPerLine + 1) {}
  void add(std::size_t index, std::uint64_t amount = 1) noexcept {
    auto& cell = at(index);
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  /// For gauges: may go down.
  void set(std::size_t index, std::uint64_t value) noexcept {
    at(index).store(value, std::memory_order_relaxed);
  }
  std::uint64_t get(std::size_t index) const noexcept {
    return lines_[index / kPerLine].cells[index % kPerLine].load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kPerLine = kCacheLineOctets / sizeof(std::uint64_t);
  struct alignas(kCacheLineOctets) Line {
    std::array<std::atomic<std::uint64_t>, kPerLine> cells{};
  };
  std::atomic<std::uint64_t>& at(std::size_t index) noexcept {
    return lines_[index / kPerLine].cells[index % kPerLine];
  }
  std::vector<Line> lines_;
};

/// All metrics of a process. Described once at the start, then given out as cells, one set a
/// thread.
class Registry {
 public:
  explicit Registry(std::vector<Description> descriptions);
  ~Registry();
  /// Cells for the calling thread; index i is descriptions[i]. Lives as long as the registry.
  Cells& add_cells();
  /// Adds a value that is read when asked for (queue lengths, group sizes). Before serve().
  void add_reader(Description description, std::function<double()> read);
  /// Sum over all cells of metric `index`. For tests and statistics replies.
  std::uint64_t sum(std::size_t index) const;
  /// Serves the Prometheus text format on "address:port". Error: unavailable.
  Result<void> serve(const std::string& listen);

 private:
  class Collector;
  struct Endpoint;
  std::vector<Description> descriptions_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Cells>> cells_;
  std::vector<std::pair<Description, std::function<double()>>> readers_;
  std::unique_ptr<Endpoint> endpoint_;
};

}  // namespace postern::metrics

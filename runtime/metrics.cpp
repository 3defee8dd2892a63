#include "runtime/metrics.hpp"

#include <exception>
#include <fmt/format.h>
#include <map>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

namespace postern::metrics {

/// Shows the registry to prometheus-cpp.
class Registry::Collector : public prometheus::Collectable {
 public:
  explicit Collector(const Registry& registry) : registry_(registry) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    std::map<std::string, prometheus::MetricFamily> families;
    for (std::size_t index = 0; index < registry_.descriptions_.size(); ++index) {
      add(families, registry_.descriptions_[index], static_cast<double>(registry_.sum(index)));
    }
    for (const auto& [description, read] : registry_.readers_) add(families, description, read());
    std::vector<prometheus::MetricFamily> result;
    result.reserve(families.size());
    for (auto& [name, family] : families) result.push_back(std::move(family));
    return result;
  }

 private:
  static void add(std::map<std::string, prometheus::MetricFamily>& families,
                  const Description& description, double value) {
    prometheus::MetricFamily& family = families[description.name];
    family.name = description.name;
    family.help = description.help;
    const bool counter = description.kind == Kind::counter;
    family.type = counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    prometheus::ClientMetric metric;
    if (!description.label_name.empty()) {
      metric.label.push_back({description.label_name, description.label_value});
    }
    (counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
  }

  const Registry& registry_;
};

struct Registry::Endpoint {
  std::shared_ptr<Collector> collector;
  std::unique_ptr<prometheus::Exposer> exposer;
};

Registry::Registry(std::vector<Description> descriptions)
    : descriptions_(std::move(descriptions)) {}

Registry::~Registry() = default;

Cells& Registry::add_cells() {
  const std::lock_guard lock(mutex_);
  cells_.push_back(std::make_unique<Cells>(descriptions_.size()));
  return *cells_.back();
}

void Registry::add_reader(Description description, std::function<double()> read) {
  readers_.emplace_back(std::move(description), std::move(read));
}

std::uint64_t Registry::sum(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t total = 0;
  for (const auto& cells : cells_) total += cells->get(index);
  return total;
}

Result<void> Registry::serve(const std::string& listen) {
  try {
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->exposer = std::make_unique<prometheus::Exposer>(listen, 1);
    endpoint->collector = std::make_shared<Collector>(*this);
    endpoint->exposer->RegisterCollectable(endpoint->collector);
    endpoint_ = std::move(endpoint);
    return {};
  } catch (const std::exception& error) {
    return fail(
        ErrorCode::unavailable,
        fmt::format("cannot serve metrics on {} ([metrics] listen): {}", listen, error.what()));
  }
}

}  // namespace postern::metrics

#include "gateway/pressure_watch.hpp"

#include "gateway/metric_ids.hpp"
#include "runtime/log.hpp"

namespace postern::gateway {

namespace {

// Often enough to act before a budget is full, seldom enough to cost nothing.
constexpr Duration kInterval = std::chrono::seconds(1);

}  // namespace

PressureWatch::PressureWatch(EventLoop& loop, GatewayShared& shared, metrics::Cells& cells)
    : loop_(loop),
      shared_(shared),
      cells_(cells),
      gauge_({.memory_budget_octets = shared.settings.store.memory_budget_octets,
              .disk_free_min_octets = shared.settings.store.disk_free_min_octets,
              .settings = shared.settings.gateway.pressure}),
      timer_(this, [](void* self, Now now) { static_cast<PressureWatch*>(self)->look(now); }) {
  loop_.timers().arm(timer_, loop_.now().mono + kInterval);
}

void PressureWatch::look(Now now) {
  const store::EngineStats stats = shared_.engine->stats();
  const policy::PressureAction action =
      gauge_.update({.memory_octets = shared_.metrics->sum(kHeldOctets),
                     .disk_free_octets = stats.disk_free_octets,
                     .groups = stats.bodies.groups + stats.rows.groups,
                     .stalls = stats.bodies.stalls + stats.rows.stalls,
                     .sync_micros = stats.bodies.sync.sum_micros + stats.rows.sync.sum_micros},
                    now.mono);
  for (std::size_t index = 0; index < policy::kResources; ++index) {
    const auto level = gauge_.level_of(static_cast<policy::Resource>(index));
    cells_.set(kPressureMemory + index, static_cast<std::uint64_t>(level));
  }
  cells_.set(kPressureAction, static_cast<std::uint64_t>(action));
  shared_.policy->set_pressure(action);
  if (action != action_) {
    const bool calm = action == policy::PressureAction::none;
    log::event(calm ? log::Level::info : log::Level::warn, "smtp.pressure",
               {{"level", policy::name_of(gauge_.level())},
                {"reason", calm ? std::string_view("none") : policy::name_of(gauge_.reason())},
                {"action", policy::name_of(action)}});
    action_ = action;
  }
  loop_.timers().arm(timer_, now.mono + kInterval);
}

}  // namespace postern::gateway

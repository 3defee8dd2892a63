// Looks at memory, disk and store once a second, and tells all cores what follows (SMTP-13).
#pragma once

#include "gateway/policy/pressure.hpp"
#include "gateway/shared.hpp"
#include "runtime/event_loop.hpp"

namespace postern::gateway {

/// Lives on core 0's loop. Publishes to GatewayPolicy, logs each change, sets the gauges.
class PressureWatch {
 public:
  PressureWatch(EventLoop& loop, GatewayShared& shared, metrics::Cells& cells);

 private:
  void look(Now now);

  EventLoop& loop_;
  GatewayShared& shared_;
  metrics::Cells& cells_;
  policy::PressureGauge gauge_;
  policy::PressureAction action_ = policy::PressureAction::none;
  Timer timer_;
};

}  // namespace postern::gateway

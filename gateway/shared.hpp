// What the gateway's cores share: read-only after start-up, or thread-safe by itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/duplicate_table.hpp"
#include "gateway/policy/gateway_policy.hpp"
#include "gateway/smtp/profile.hpp"
#include "runtime/connection_gate.hpp"
#include "runtime/metrics.hpp"
#include "runtime/socket_address.hpp"
#include "runtime/spsc_queue.hpp"
#include "runtime/tls_keeper.hpp"
#include "runtime/worker_pool.hpp"
#include "store/authenticator.hpp"
#include "store/config/settings.hpp"
#include "store/engine.hpp"

namespace postern::gateway {

/// One configured listener: what its sessions follow, and who gets in, on all cores together.
struct ListenerState {
  config::SmtpListenerSettings settings;
  std::vector<SocketAddress> addresses;
  std::shared_ptr<const smtp::SmtpProfile> profile;
  policy::ListenerPolicy policy;
  std::unique_ptr<ConnectionGate> gate;
};

/// Owned by main(); outlives the cores.
struct GatewayShared {
  config::Settings settings;
  std::unique_ptr<TlsKeeper> tls;
  std::vector<std::unique_ptr<ListenerState>> listeners;
  std::unique_ptr<metrics::Registry> metrics;
  std::unique_ptr<policy::GatewayPolicy> policy;
  std::unique_ptr<store::Engine> engine;
  std::unique_ptr<store::Authenticator> authenticator;
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<DuplicateTable> duplicates;  ///< null: no listener asks for it
  std::uint32_t cores = 1;
  std::int64_t start_unix_ms = 0;
  std::uint64_t epoch = 0;  ///< random per start: tells sidecars that the writer was restarted

  bool tls_configured() const noexcept { return !settings.tls.certificate.empty(); }
};

}  // namespace postern::gateway

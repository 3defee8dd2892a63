#include "gateway/core.hpp"

#include <algorithm>

#include "gateway/metric_ids.hpp"
#include "gateway/store_service.hpp"
#include "runtime/log.hpp"

namespace postern::gateway {

Result<std::unique_ptr<CoreService>> GatewayCore::create(EventLoop& loop, std::uint32_t index,
                                                         GatewayShared& shared,
                                                         CompletionQueue& completions,
                                                         StoreService* service) {
  std::unique_ptr<GatewayCore> core(new GatewayCore(loop, index, shared, completions, service));
  if (shared.tls_configured()) {
    auto tls =
        TlsContext::load(shared.settings.tls.certificate, shared.settings.tls.key, shared.tickets);
    if (!tls) return std::unexpected(tls.error());
    core->tls_ = std::move(*tls);
  }
  if (auto opened = core->open_listeners(); !opened) return std::unexpected(opened.error());
  if (service != nullptr) {
    if (auto started = service->start(loop, core->cells_); !started) {
      return std::unexpected(started.error());
    }
  }
  core->listeners_.start();
  return core;
}

GatewayCore::GatewayCore(EventLoop& loop, std::uint32_t index, GatewayShared& shared,
                         CompletionQueue& completions, StoreService* service)
    : loop_(loop),
      index_(index),
      shared_(shared),
      completions_(completions),
      service_(service),
      cells_(shared.metrics->add_cells()),
      message_ids_(index, shared.start_unix_ms),
      directory_generation_(shared.engine->directory_generation()),
      directory_(shared.engine->directory()),
      held_octets_max_(static_cast<std::int64_t>(shared.settings.store.memory_budget_octets /
                                                 std::max(shared.cores, 1U))) {
  loop_.add_source([this] {
    follow_directory();
    return take_completions();
  });
}

GatewayCore::~GatewayCore() = default;

Result<void> GatewayCore::open_listeners() {
  for (auto& state : shared_.listeners) {
    auto opened = listeners_.open(
        loop_, state->addresses, state->settings.backlog,
        [this, state = state.get()](const SocketAddress& address, UniqueFd accepted) {
          accept(*state, address, std::move(accepted));
        });
    if (!opened) return opened;
  }
  return {};
}

void GatewayCore::accept(ListenerState& state, const SocketAddress& address, UniqueFd fd) {
  const std::uint32_t open = state.open_connections.fetch_add(1, std::memory_order_relaxed) + 1;
  cells_.add(kConnectionsAccepted);
  cells_.set(kConnectionsOpen, cells_.get(kConnectionsOpen) + 1);
  PeerFacts peer = peer_facts(fd.get(), address);
  const ConnectionOptions options{.tls = tls_.get(),
                                  .implicit_tls = state.settings.tls == config::TlsMode::implicit};
  SmtpConnection& connection = connections_.add(
      std::make_unique<SmtpConnection>(*this, state, std::move(fd), std::move(peer), options));
  if (state.settings.connections_max != 0 && open > state.settings.connections_max) {
    cells_.add(kConnectionsRefused);
    connection.refuse(smtp::Refusal::connections);
  } else if (shared_.engine->health() == store::EngineHealth::failed) {
    cells_.add(kConnectionsRefused);
    connection.refuse(smtp::Refusal::unavailable);
  } else if (shared_.engine->health() == store::EngineHealth::disk_low) {
    cells_.add(kConnectionsRefused);
    connection.refuse(smtp::Refusal::out_of_resources);
  }
  connection.start();
}

bool GatewayCore::take_completions() {
  bool worked = false;
  store::SpoolRequest* request = nullptr;
  while (completions_.try_pop(request)) {
    worked = true;
    static_cast<SmtpConnection*>(request->owner)->on_spool_completion(request);
  }
  return worked;
}

// A load a turn; a changed directory is handed to every session, which is rare and cheap.
void GatewayCore::follow_directory() {
  const std::uint64_t generation = shared_.engine->directory_generation();
  if (generation == directory_generation_) return;
  directory_generation_ = generation;
  directory_ = shared_.engine->directory();
  connections_.for_each(
      [this](SmtpConnection& connection) { connection.set_directory(directory_); });
}

void GatewayCore::begin_drain() {
  draining_ = true;
  listeners_.stop();
  connections_.for_each([](SmtpConnection& connection) { connection.begin_shutdown(); });
}

bool GatewayCore::drained() const {
  if (!draining_ || !listeners_.stopped() || !connections_.empty()) return false;
  if (service_ == nullptr) return true;
  // Sidecars keep the store service until the last mail session of the gateway has ended.
  service_->begin_drain();
  return service_->drained();
}

void GatewayCore::abort_all() {
  connections_.for_each([](SmtpConnection& connection) { connection.abort(); });
  if (service_ != nullptr) service_->abort_all();
}

}  // namespace postern::gateway

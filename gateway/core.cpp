#include "gateway/core.hpp"

#include <algorithm>

#include "gateway/metric_ids.hpp"
#include "gateway/store_service.hpp"
#include "runtime/log.hpp"
#include "store/config/tls_files.hpp"

namespace postern::gateway {

namespace {

constexpr EntranceMetrics kEntranceMetrics{.accepted = kConnectionsAccepted,
                                           .refused = kConnectionsRefused,
                                           .not_allowed = kRefusedNotAllowed,
                                           .denied = kRefusedDenied,
                                           .connections = kRefusedConnections,
                                           .per_source = kRefusedPerSource,
                                           .proxy = kRefusedProxy};

}  // namespace

Result<std::unique_ptr<CoreService>> GatewayCore::create(EventLoop& loop, std::uint32_t index,
                                                         GatewayShared& shared,
                                                         CompletionQueue& completions,
                                                         StoreService* service) {
  std::unique_ptr<GatewayCore> core(new GatewayCore(loop, index, shared, completions, service));
  auto tls = shared.tls->attach(index);
  if (!tls) return std::unexpected(tls.error());
  core->tls_ = *tls;
  if (auto opened = core->open_listeners(); !opened) return std::unexpected(opened.error());
  if (service != nullptr) {
    if (auto started = service->start(loop, core->cells_, core->message_ids_); !started) {
      return std::unexpected(started.error());
    }
  }
  core->entrance_.start();
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
      policy_{.shared = *shared.policy,
              .core = index,
              .cells = cells_,
              .held_octets_max = static_cast<std::int64_t>(
                  shared.settings.store.memory_budget_octets / std::max(shared.cores, 1U))},
      message_ids_(index, shared.start_unix_ms),
      directory_generation_(shared.engine->directory_generation()),
      directory_(shared.engine->directory()),
      entrance_(loop, cells_, kEntranceMetrics, "smtp.connection.refused") {
  if (index_ == 0) pressure_ = std::make_unique<PressureWatch>(loop_, shared_, cells_);
  // Before the input of a turn: a client may use a mailbox as soon as its creation was answered.
  loop_.set_prelude([this] { follow_directory(); });
  loop_.add_source([this] { return take_completions(); });
}

GatewayCore::~GatewayCore() = default;

Result<void> GatewayCore::open_listeners() {
  for (auto& shared : shared_.listeners) {
    ListenerState* const state = shared.get();
    auto opened = entrance_.open(
        state->settings.name, *state->gate, state->addresses, state->settings.backlog,
        [this, state](Arrival arrival) { accept(*state, std::move(arrival)); });
    if (!opened) return opened;
  }
  return {};
}

void GatewayCore::accept(ListenerState& state, Arrival arrival) {
  cells_.set(kConnectionsOpen, cells_.get(kConnectionsOpen) + 1);
  const ConnectionOptions options{
      .tls = tls_,
      .implicit_tls = state.settings.tls == config::TlsMode::implicit,
      .client_certificates = config::client_certificate_mode(state.settings.client_certificates)};
  const Verdict verdict = arrival.admission.verdict();
  const PeerFacts peer = arrival.peer;
  const std::string early_input = std::move(arrival.early_input);
  SmtpConnection& connection =
      connections_.add(std::make_unique<SmtpConnection>(*this, state, std::move(arrival), options));
  const store::EngineHealth health = shared_.engine->health();
  if (verdict != Verdict::admitted) {
    entrance_.count_refusal(state.settings.name, peer, verdict);
    connection.refuse(verdict);
  } else if (health == store::EngineHealth::failed) {
    entrance_.count_refusal(state.settings.name, peer, kRefusedUnavailable, "unavailable");
    connection.refuse(smtp::Refusal::unavailable);
  } else if (health == store::EngineHealth::disk_low) {
    entrance_.count_refusal(state.settings.name, peer, kRefusedResources, "resources");
    connection.refuse(smtp::Refusal::out_of_resources);
  }
  connection.start(early_input);
}

void GatewayCore::count_refusal(const ListenerState& state, const PeerFacts& peer,
                                Verdict verdict) {
  entrance_.count_refusal(state.settings.name, peer, verdict);
}

bool GatewayCore::take_completions() {
  bool worked = false;
  store::SpoolRequest* request = nullptr;
  while (completions_.try_pop(request)) {
    worked = true;
    static_cast<SpoolOwner*>(request->owner)->on_spool_completion(request);
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
  entrance_.stop();
  // Each may end its connection, so a visit does one thing.
  connections_.for_each([](SmtpConnection& connection) { connection.answer_held_login(); });
  connections_.for_each([](SmtpConnection& connection) { connection.begin_shutdown(); });
}

bool GatewayCore::drained() const {
  if (!draining_ || !entrance_.stopped() || !connections_.empty()) return false;
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

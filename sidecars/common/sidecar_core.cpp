#include "sidecars/common/sidecar_core.hpp"

#include <algorithm>

#include "runtime/log.hpp"
#include "sidecars/common/refused_session.hpp"
#include "store/config/tls_files.hpp"

namespace postern::sidecars {

namespace {

constexpr EntranceMetrics kEntranceMetrics{.accepted = kConnectionsAccepted,
                                           .refused = kConnectionsRefused,
                                           .not_allowed = kRefusedNotAllowed,
                                           .denied = kRefusedDenied,
                                           .connections = kRefusedConnections,
                                           .per_source = kRefusedPerSource,
                                           .proxy = kRefusedProxy};

}  // namespace

Result<std::unique_ptr<CoreService>> SidecarCore::create(EventLoop& loop, std::uint32_t index,
                                                         SidecarShared& shared) {
  std::unique_ptr<SidecarCore> core(new SidecarCore(loop, index, shared));
  auto tls = shared.tls->attach(index);
  if (!tls) return std::unexpected(tls.error());
  core->tls_ = *tls;
  if (auto opened = core->open_listeners(); !opened) return std::unexpected(opened.error());
  core->service_.start();
  core->entrance_.start();
  return core;
}

SidecarCore::SidecarCore(EventLoop& loop, std::uint32_t index, SidecarShared& shared)
    : loop_(loop),
      shared_(shared),
      cells_(shared.metrics->add_cells()),
      service_(loop, *shared.view, *shared.workers, index, shared.settings.store.socket,
               shared.protocol->name()),
      entrance_(loop, cells_, kEntranceMetrics, shared.protocol->name() + ".connection.refused") {}

SidecarCore::~SidecarCore() = default;

Result<void> SidecarCore::open_listeners() {
  for (auto& shared : shared_.listeners) {
    ListenerState* const state = shared.get();
    auto opened = entrance_.open(
        state->settings.name, *state->gate, state->addresses, state->settings.backlog,
        [this, state](Arrival arrival) { accept(*state, std::move(arrival)); });
    if (!opened) return opened;
  }
  return {};
}

void SidecarCore::accept(ListenerState& state, Arrival arrival) {
  const Verdict verdict = arrival.admission.verdict();
  OwnedSession session;
  if (verdict == Verdict::admitted) {
    session = shared_.protocol->make_session(state.index, arrival.peer, cells_);
  } else {
    entrance_.count_refusal(state.settings.name, arrival.peer, verdict);
    session.session = std::make_unique<RefusedSession>(shared_.protocol->refusal(verdict));
  }
  const ConnectionOptions options{
      .tls = tls_,
      .implicit_tls = state.settings.tls == config::TlsMode::implicit,
      .client_certificates = config::client_certificate_mode(state.settings.client_certificates)};
  const std::string early_input = std::move(arrival.early_input);
  TlsObserver& observer = *this;
  connections_
      .add(std::make_unique<MailConnection>(service_, connections_, observer, loop_,
                                            std::move(arrival), std::move(session), options))
      .start(early_input);
}

void SidecarCore::tls_opened(const std::string& client, const TlsFacts& facts) {
  const bool shown = !facts.client_certificate.empty();
  log::event(shown ? log::Level::info : log::Level::debug, shared_.protocol->name() + ".tls.open",
             {{"client", client},
              {"version", facts.version},
              {"cipher", facts.cipher},
              {"server_name", facts.server_name},
              {"certificate", facts.client_certificate},
              {"verified", !shown                  ? ""
                           : facts.client_verified ? "yes"
                                                   : "no"}});
}

void SidecarCore::tls_failed(const std::string& client, const std::string& cause) {
  cells_.add(kTlsHandshakeFailures);
  log::event(log::Level::info, shared_.protocol->name() + ".tls.failed",
             {{"client", client}, {"cause", cause}});
}

void SidecarCore::begin_drain() {
  draining_ = true;
  entrance_.stop();
  connections_.for_each([](MailConnection& connection) { connection.begin_shutdown(); });
}

bool SidecarCore::drained() const {
  if (!draining_ || !entrance_.stopped() || !connections_.empty()) return false;
  // The link goes last: sessions that end may still have a change under way.
  auto* self = const_cast<SidecarCore*>(this);
  if (!link_stopped_) {
    self->link_stopped_ = true;
    self->service_.stop();
  }
  return service_.stopped();
}

void SidecarCore::abort_all() {
  connections_.for_each([](MailConnection& connection) { connection.abort(); });
}

}  // namespace postern::sidecars

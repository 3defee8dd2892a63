#include "sidecars/common/sidecar_core.hpp"

namespace postern::sidecars {

Result<std::unique_ptr<CoreService>> SidecarCore::create(EventLoop& loop, std::uint32_t index,
                                                         SidecarShared& shared) {
  std::unique_ptr<SidecarCore> core(new SidecarCore(loop, index, shared));
  if (shared.tls_configured()) {
    auto tls =
        TlsContext::load(shared.settings.tls.certificate, shared.settings.tls.key, shared.tickets);
    if (!tls) return std::unexpected(tls.error());
    core->tls_ = std::move(*tls);
  }
  if (auto opened = core->open_listeners(); !opened) return std::unexpected(opened.error());
  core->service_.start();
  core->listeners_.start();
  return core;
}

SidecarCore::SidecarCore(EventLoop& loop, std::uint32_t index, SidecarShared& shared)
    : loop_(loop),
      shared_(shared),
      cells_(shared.metrics->add_cells()),
      service_(loop, *shared.view, *shared.workers, index, shared.settings.store.socket,
               shared.protocol->name()) {}

SidecarCore::~SidecarCore() = default;

Result<void> SidecarCore::open_listeners() {
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

void SidecarCore::accept(ListenerState& state, const SocketAddress& address, UniqueFd fd) {
  const std::uint32_t open = state.open_connections.fetch_add(1, std::memory_order_relaxed) + 1;
  cells_.add(kConnectionsAccepted);
  if (state.settings.connections_max != 0 && open > state.settings.connections_max) {
    // Neither POP3 nor IMAP has a greeting that says "later" to every client: the connection is
    // closed.
    state.open_connections.fetch_sub(1, std::memory_order_relaxed);
    cells_.add(kConnectionsRefused);
    return;
  }
  const PeerFacts peer = peer_facts(fd.get(), address);
  OwnedSession session = shared_.protocol->make_session(state.index, peer, cells_);
  const ConnectionOptions options{.tls = tls_.get(),
                                  .implicit_tls = state.settings.tls == config::TlsMode::implicit};
  connections_
      .add(std::make_unique<MailConnection>(service_, connections_, state.open_connections, loop_,
                                            std::move(fd), std::move(session), peer.address,
                                            options))
      .start();
}

void SidecarCore::begin_drain() {
  draining_ = true;
  listeners_.stop();
  connections_.for_each([](MailConnection& connection) { connection.begin_shutdown(); });
}

bool SidecarCore::drained() const {
  if (!draining_ || !listeners_.stopped() || !connections_.empty()) return false;
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

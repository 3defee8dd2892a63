// One core of a sidecar: its listeners, its connections, its mail service.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/core_group.hpp"
#include "runtime/entrance.hpp"
#include "runtime/socket_address.hpp"
#include "runtime/tls_keeper.hpp"
#include "sidecars/common/mail_connection.hpp"
#include "sidecars/common/sidecar.hpp"

namespace postern::sidecars {

/// One configured listener, and who gets in, on all cores together.
struct ListenerState {
  config::MailboxListenerSettings settings;
  std::size_t index = 0;  ///< in Protocol::listeners()
  std::vector<SocketAddress> addresses;
  std::unique_ptr<ConnectionGate> gate;
};

/// Owned by run_sidecar(); outlives the cores.
struct SidecarShared {
  Protocol* protocol = nullptr;
  config::Settings settings;
  std::unique_ptr<TlsKeeper> tls;
  std::vector<std::unique_ptr<ListenerState>> listeners;
  std::unique_ptr<metrics::Registry> metrics;
  std::unique_ptr<SharedView> view;
  std::unique_ptr<WorkerPool> workers;

  bool tls_configured() const noexcept { return !settings.tls.certificate.empty(); }
};

/// Made, used and destroyed on its core's thread.
class SidecarCore final : public CoreService, private TlsObserver {
 public:
  /// On the core's thread: loads the certificate, opens the listeners, begins to connect to the
  /// gateway. An error says which file or address is at fault. `shared` outlives the core.
  static Result<std::unique_ptr<CoreService>> create(EventLoop& loop, std::uint32_t index,
                                                     SidecarShared& shared);
  ~SidecarCore() override;

  void begin_drain() override;
  bool drained() const override;
  void abort_all() override;

 private:
  SidecarCore(EventLoop& loop, std::uint32_t index, SidecarShared& shared);
  Result<void> open_listeners();
  void accept(ListenerState& state, Arrival arrival);
  void tls_opened(const std::string& client, const TlsFacts& facts) override;
  void tls_failed(const std::string& client, const std::string& cause) override;

  EventLoop& loop_;
  SidecarShared& shared_;
  metrics::Cells& cells_;
  const TlsSlot* tls_ = nullptr;  // this core's certificates, which a reload replaces
  MailService service_;
  Entrance entrance_;
  ConnectionSet<MailConnection> connections_;
  bool draining_ = false;
  bool link_stopped_ = false;
};

}  // namespace postern::sidecars

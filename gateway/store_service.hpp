// The store service: what sidecars and the command line ask of the gateway over its Unix socket.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>

#include "gateway/login_delay.hpp"
#include "gateway/login_keeper.hpp"
#include "gateway/quota_job.hpp"
#include "gateway/retention_job.hpp"
#include "gateway/shared.hpp"
#include "runtime/connection_set.hpp"
#include "runtime/listener.hpp"
#include "store/mailbox_change.hpp"
#include "store/rpc/messages.hpp"

namespace postern::gateway {

class ServiceConnection;

/// Lives on core 0's loop, but for publish(), which the engine's row thread calls.
class StoreService {
 public:
  explicit StoreService(GatewayShared& shared);
  ~StoreService();

  /// Opens the socket. Core 0's thread, once.
  /// `ids`: of core 0's messages.
  Result<void> start(EventLoop& loop, metrics::Cells& cells, smtp::MessageIdSource& ids);
  /// Row thread: mailboxes have changed. Costs one load when nobody listens; never blocks for long.
  void publish(std::span<const store::MailboxChange> changes, store::StorePosition position);

  void begin_drain();
  bool drained() const;
  void abort_all();

  GatewayShared& shared() noexcept { return shared_; }
  EventLoop& loop() noexcept { return *loop_; }
  metrics::Cells& cells() noexcept { return *cells_; }
  ConnectionSet<ServiceConnection>& connections() noexcept { return connections_; }
  /// Of the protocols that have one (POP3).
  LoginDelay& login_delay() noexcept { return login_delay_; }
  /// A connection subscribed for the first time (+1) or its last subscriber left (-1).
  void count_subscriber(int by) noexcept { subscribers_.fetch_add(by, std::memory_order_relaxed); }

 private:
  void accept(UniqueFd fd);
  void deliver_changes();
  void update_oldest_view();

  GatewayShared& shared_;
  EventLoop* loop_ = nullptr;
  metrics::Cells* cells_ = nullptr;
  std::unique_ptr<Listener> listener_;
  ConnectionSet<ServiceConnection> connections_;
  std::unique_ptr<Timer> view_timer_;
  std::unique_ptr<RetentionJob> retention_;
  std::unique_ptr<LoginKeeper> login_keeper_;
  std::unique_ptr<QuotaJob> quota_;
  LoginDelay login_delay_;
  bool draining_ = false;

  std::atomic<int> subscribers_{0};
  std::mutex changes_mutex_;
  std::unordered_map<std::uint64_t, store::rpc::Changed> changes_;  // latest of each mailbox
};

}  // namespace postern::gateway

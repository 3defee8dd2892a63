// One core of the gateway: its listeners, its connections, its share of the store's answers.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gateway/metric_ids.hpp"
#include "gateway/pressure_watch.hpp"
#include "gateway/shared.hpp"
#include "gateway/smtp/message_id.hpp"
#include "gateway/smtp_connection.hpp"
#include "runtime/connection_set.hpp"
#include "runtime/core_group.hpp"
#include "runtime/entrance.hpp"

namespace postern::gateway {

class StoreService;

/// Answers of the store on their way back to a core: written by the engine's row thread, read by
/// the core.
using CompletionQueue = SpscQueue<store::SpoolRequest*>;

/// Made, used and destroyed on its core's thread.
class GatewayCore final : public CoreService {
 public:
  static Result<std::unique_ptr<CoreService>> create(EventLoop& loop, std::uint32_t index,
                                                     GatewayShared& shared,
                                                     CompletionQueue& completions,
                                                     StoreService* service);
  ~GatewayCore() override;

  void begin_drain() override;
  bool drained() const override;
  void abort_all() override;

  EventLoop& loop() noexcept { return loop_; }
  std::uint32_t index() const noexcept { return index_; }
  GatewayShared& shared() noexcept { return shared_; }
  metrics::Cells& cells() noexcept { return cells_; }
  smtp::MessageIdSource& message_ids() noexcept { return message_ids_; }
  const store::DirectoryPtr& directory() const noexcept { return directory_; }
  ConnectionSet<SmtpConnection>& connections() noexcept { return connections_; }
  policy::CorePolicy& policy() noexcept { return policy_; }
  /// The listener does not take the client that a proxy named: counts and logs it.
  void count_refusal(const ListenerState& state, const PeerFacts& peer, Verdict verdict);
  /// A connection now holds `by` octets of messages more (or less) in memory.
  void count_held_octets(std::int64_t by) noexcept {
    policy_.held_octets += by;
    cells_.set(kHeldOctets, static_cast<std::uint64_t>(policy_.held_octets));
  }

 private:
  GatewayCore(EventLoop& loop, std::uint32_t index, GatewayShared& shared,
              CompletionQueue& completions, StoreService* service);
  Result<void> open_listeners();
  void accept(ListenerState& state, Arrival arrival);
  bool take_completions();
  void follow_directory();

  EventLoop& loop_;
  const std::uint32_t index_;
  GatewayShared& shared_;
  CompletionQueue& completions_;
  StoreService* const service_;  // on core 0 only: the store service lives on its loop
  metrics::Cells& cells_;
  policy::CorePolicy policy_;
  std::unique_ptr<PressureWatch> pressure_;  // on core 0
  smtp::MessageIdGenerator message_ids_;
  const TlsSlot* tls_ = nullptr;  // this core's certificates, which a reload replaces
  std::uint64_t directory_generation_ = 0;
  store::DirectoryPtr directory_;
  Entrance entrance_;
  ConnectionSet<SmtpConnection> connections_;
  bool draining_ = false;
};

}  // namespace postern::gateway

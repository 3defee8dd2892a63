// The policy of one connection: asks the memories of all cores about this client.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/policy/gateway_policy.hpp"
#include "gateway/smtp/services.hpp"
#include "runtime/metrics.hpp"
#include "runtime/session.hpp"

namespace postern::policy {

/// A core's part: where its connections ask and count. Used on the core's thread only.
struct CorePolicy {
  GatewayPolicy& shared;
  std::uint32_t core = 0;
  metrics::Cells& cells;
  std::int64_t held_octets = 0;      ///< of messages in memory, this core's connections together
  std::int64_t held_octets_max = 0;  ///< this core's share of [store] memory_budget_octets
};

/// Lives in its connection. `core` and `listener` must outlive it.
class ClientPolicy final : public smtp::SmtpPolicy {
 public:
  ClientPolicy(CorePolicy& core, const ListenerPolicy& listener, const PeerFacts& peer);

  smtp::MessageVerdict admit_message(std::string_view identity, std::uint64_t size_octets,
                                     Now now) override;
  bool admit_recipient(std::string_view identity, Now now) override;
  bool admit_octets(std::string_view identity, std::uint64_t octets, Now now) override;
  bool has_memory(std::uint64_t own_octets) override;
  Duration greeting_delay(Now now) override;
  void set_peer(const PeerFacts& peer) override;
  Duration mail_delay(std::string_view identity) override;
  void on_error_held_back(Now now) override;
  /// Whether back pressure refuses the connection at once (SMTP-13); counts it.
  bool refuses_connection();

 private:
  bool stranger(std::string_view identity) const noexcept { return identity.empty() && !trusted_; }
  bool take(const ListenerRate& rate, const KeyedDigest& key, std::uint64_t amount, Now now);
  KeyedDigest identity_key(const ListenerRate& rate, std::string_view identity) const;

  CorePolicy& core_;
  const ListenerPolicy& listener_;
  bool trusted_ = false;
  KeyedDigest source_messages_;
  KeyedDigest source_tarpit_;
};

}  // namespace postern::policy

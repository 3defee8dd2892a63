#include "gateway/policy/client_policy.hpp"

#include <algorithm>

#include "gateway/metric_ids.hpp"

namespace postern::policy {

using smtp::MessageVerdict;

ClientPolicy::ClientPolicy(CorePolicy& core, const ListenerPolicy& listener, const PeerFacts& peer)
    : core_(core), listener_(listener) {
  ClientPolicy::set_peer(peer);
}

void ClientPolicy::set_peer(const PeerFacts& peer) {
  trusted_ = peer.trusted;
  if (trusted_) return;
  const auto key = [&](std::uint64_t kind) {
    return core_.shared.source_key(listener_, kind, peer.address);
  };
  if (!listener_.source_messages.off()) source_messages_ = key(listener_.source_messages.kind);
  if (listener_.tarpit_delay > Duration::zero()) {
    source_tarpit_ = key(static_cast<std::uint64_t>(Counted::tarpit) << 56);
  }
}

bool ClientPolicy::take(const ListenerRate& rate, const KeyedDigest& key, std::uint64_t amount,
                        Now now) {
  return core_.shared.rates().take(core_.core, key, *rate.windows, amount, now.mono);
}

KeyedDigest ClientPolicy::identity_key(const ListenerRate& rate, std::string_view identity) const {
  return core_.shared.hash()(rate.kind, identity);
}

MessageVerdict ClientPolicy::admit_message(std::string_view identity, std::uint64_t size_octets,
                                           Now now) {
  const PressureAction action = core_.shared.pressure();
  if (action == PressureAction::refuse_all ||
      (action == PressureAction::refuse_strangers && stranger(identity))) {
    core_.cells.add(gateway::kPressureRefusals);
    return MessageVerdict::no_room;
  }
  if (!ClientPolicy::has_memory(0)) return MessageVerdict::no_room;
  if (trusted_) return MessageVerdict::admitted;
  if (identity.empty()) {
    const ListenerRate& rate = listener_.source_messages;
    if (rate.off() || take(rate, source_messages_, 1, now)) return MessageVerdict::admitted;
    core_.cells.add(gateway::kRateSourceMessages);
    return MessageVerdict::message_rate;
  }
  const ListenerRate& octets = listener_.identity_octets;
  if (!octets.off() && !core_.shared.rates().has_room(core_.core, identity_key(octets, identity),
                                                      *octets.windows, size_octets, now.mono)) {
    core_.cells.add(gateway::kRateIdentityOctets);
    return MessageVerdict::octet_rate;
  }
  const ListenerRate& rate = listener_.identity_messages;
  if (rate.off() || take(rate, identity_key(rate, identity), 1, now)) {
    return MessageVerdict::admitted;
  }
  core_.cells.add(gateway::kRateIdentityMessages);
  return MessageVerdict::message_rate;
}

bool ClientPolicy::admit_recipient(std::string_view identity, Now now) {
  const ListenerRate& rate = listener_.identity_recipients;
  if (trusted_ || identity.empty() || rate.off()) return true;
  if (take(rate, identity_key(rate, identity), 1, now)) return true;
  core_.cells.add(gateway::kRateIdentityRecipients);
  return false;
}

bool ClientPolicy::admit_octets(std::string_view identity, std::uint64_t octets, Now now) {
  const ListenerRate& rate = listener_.identity_octets;
  if (trusted_ || identity.empty() || rate.off()) return true;
  if (take(rate, identity_key(rate, identity), octets, now)) return true;
  core_.cells.add(gateway::kRateIdentityOctets);
  return false;
}

bool ClientPolicy::has_memory(std::uint64_t own_octets) {
  const std::int64_t others = core_.held_octets - static_cast<std::int64_t>(own_octets);
  if (others < core_.held_octets_max) return true;
  core_.cells.add(gateway::kMemoryRefusals);
  return false;
}

Duration ClientPolicy::greeting_delay(Now now) {
  const Duration pressure = mail_delay({});
  if (trusted_ || listener_.tarpit_delay <= Duration::zero()) return pressure;
  if (!core_.shared.tarpit().remembers(source_tarpit_, now.mono)) return pressure;
  core_.cells.add(gateway::kTarpitGreetings);
  return std::max(pressure, listener_.tarpit_delay);
}

Duration ClientPolicy::mail_delay(std::string_view identity) {
  if (core_.shared.pressure() == PressureAction::none || !stranger(identity)) {
    return Duration::zero();
  }
  core_.cells.add(gateway::kPressureDelays);
  return core_.shared.pressure_delay();
}

// Where clients can log in, MAIL is where strangers are known.
bool ClientPolicy::refuses_connection() {
  const PressureAction action = core_.shared.pressure();
  const bool refused = action == PressureAction::refuse_all ||
                       (action == PressureAction::refuse_strangers && !trusted_ && !listener_.auth);
  if (refused) core_.cells.add(gateway::kPressureRefusals);
  return refused;
}

void ClientPolicy::on_error_held_back(Now now) {
  core_.cells.add(gateway::kTarpitReplies);
  if (!trusted_) core_.shared.tarpit().remember(source_tarpit_, now.mono);
}

}  // namespace postern::policy

#include "gateway/policy/gateway_policy.hpp"

#include <algorithm>
#include <string>

#include "gateway/policy/login_memory.hpp"

namespace postern::policy {

namespace {

// One length for all listeners and sidecars, since the memory of logins is one: an IPv4 address,
// and what an IPv6 site has at least.
constexpr std::uint32_t kLoginIpv4Bits = 32;
constexpr std::uint32_t kLoginIpv6Bits = 64;

constexpr std::uint64_t kind_of(Counted counted, std::uint64_t number) noexcept {
  return static_cast<std::uint64_t>(counted) << 56 | number;
}

}  // namespace

GatewayPolicy::GatewayPolicy(const config::GatewaySettings& settings, std::uint32_t cores)
    : rates_({.cores = cores, .keys_max = settings.policy_keys_max}),
      tarpit_(settings.policy_keys_max, settings.tarpit_memory),
      logins_({.free_failures = settings.login_failures_free,
               .delay_max = settings.login_delay_max,
               .half_life = settings.login_failures_half_life,
               .entries_max = settings.policy_keys_max}),
      pressure_delay_(settings.pressure.delay) {}

ListenerRate GatewayPolicy::rate(const config::RateLimits& limits, Counted counted) {
  std::size_t index = 0;
  while (index < windows_.size() && windows_[index].first != limits) ++index;
  if (index == windows_.size()) {
    windows_.emplace_back(limits, std::make_unique<RateWindows>(limits));
  }
  return {.windows = windows_[index].second.get(), .kind = kind_of(counted, index << 16)};
}

ListenerPolicy GatewayPolicy::add_listener(const config::SmtpListenerSettings& settings) {
  return {
      .source_messages = rate(settings.source_message_rate, Counted::source_messages),
      .identity_messages = rate(settings.identity_message_rate, Counted::identity_messages),
      .identity_recipients = rate(settings.identity_recipient_rate, Counted::identity_recipients),
      .identity_octets = rate(settings.identity_octet_rate, Counted::identity_octets),
      .ipv4_bits = settings.source_prefix_ipv4,
      .ipv6_bits = settings.source_prefix_ipv6,
      .tarpit_delay = settings.tarpit_delay,
      .auth = settings.auth};
}

KeyedDigest GatewayPolicy::source_key(const ListenerPolicy& listener, std::uint64_t kind,
                                      std::string_view address) const {
  const IpAddress parsed = IpAddress::parse(address).value_or(IpAddress());
  const std::uint32_t bits = parsed.is_ipv4() ? listener.ipv4_bits : listener.ipv6_bits;
  const IpAddress network = parsed.network(bits);
  const auto& octets = network.octets();
  // 192.0.2.0/24 and 192.0.2.0/32 have the same octets and are different sources.
  return hash_(kind | bits, {reinterpret_cast<const char*>(octets.data()), octets.size()});
}

LoginGuard::Attempt GatewayPolicy::begin_login(std::string_view address, std::string_view user,
                                               const store::Directory& directory, MonoTime now) {
  const IpAddress parsed = IpAddress::parse(address).value_or(IpAddress());
  const IpAddress network = parsed.network(parsed.is_ipv4() ? kLoginIpv4Bits : kLoginIpv6Bits);
  const auto& octets = network.octets();
  std::string name(user);
  if (const store::Account* account = directory.find_login(user); account != nullptr) {
    name = account->name;
  }
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  std::string pair(reinterpret_cast<const char*>(octets.data()), octets.size());
  const KeyedDigest source = hash_(kind_of(Counted::login_source, 0), pair);
  pair += name;
  return logins_.begin(source, hash_(kind_of(Counted::login_account, 0), name),
                       pair_hash_(kind_of(Counted::login_pair, 0), pair), now);
}

LoginGuard::Answer GatewayPolicy::finish_login(const LoginGuard::Attempt& attempt,
                                               store::AuthOutcome& outcome, MonoTime now) {
  using Kind = store::AuthOutcome::Kind;
  LoginGuard::Answer answer{.at = std::max(attempt.wrong_at, now), .refused = true};
  if (attempt.verify) {
    if (outcome.kind == Kind::unavailable) return {.at = now};
    answer = logins_.finish(attempt, outcome.kind == Kind::ok, now);
  }
  // Nothing of a right password's outcome may stay behind.
  if (answer.refused) outcome = {};
  return answer;
}

std::string GatewayPolicy::save_logins(Now now) {
  return encode({.keys = pair_hash_.keys(), .known = logins_.known(kLoginsSavedMax, now.mono)},
                now.unix_ms);
}

Result<void> GatewayPolicy::restore_logins(std::string_view octets, Now now) {
  const auto memory = decode_login_memory(octets, now.unix_ms);
  if (!memory) return std::unexpected(memory.error());
  pair_hash_ = KeyedHash(memory->keys);
  for (const LoginGuard::Known& known : memory->known) logins_.remember(known, now.mono);
  return {};
}

}  // namespace postern::policy

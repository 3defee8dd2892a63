// What all cores of the gateway remember together about clients, and what each listener limits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/policy/login_guard.hpp"
#include "gateway/policy/pressure.hpp"
#include "gateway/policy/rate_limiter.hpp"
#include "gateway/policy/rate_windows.hpp"
#include "gateway/policy/tarpit_memory.hpp"
#include "runtime/ip_address.hpp"
#include "runtime/keyed_hash.hpp"
#include "runtime/result.hpp"
#include "store/authenticator.hpp"
#include "store/config/settings.hpp"
#include "store/directory.hpp"

namespace postern::policy {

/// What a key of the limiter counts.
enum class Counted : std::uint8_t {
  source_messages = 1,
  identity_messages,
  identity_recipients,
  identity_octets,
  tarpit,
  login_source,
  login_account,
  login_pair,
};

/// A rate of a listener: the windows, and what separates its keys from those of other rates.
/// Listeners with equal rates have the same `kind`: they count together.
struct ListenerRate {
  const RateWindows* windows = nullptr;  ///< owned by the GatewayPolicy
  std::uint64_t kind = 0;                ///< for KeyedHash
  bool off() const noexcept { return windows->off(); }
};

/// A listener's part. Immutable.
struct ListenerPolicy {
  ListenerRate source_messages;      ///< SMTP-09, of clients without a login
  ListenerRate identity_messages;    ///< SMTP-09, of those with one
  ListenerRate identity_recipients;  ///< accepted RCPTs
  ListenerRate identity_octets;      ///< of messages, as the client sent them
  std::uint32_t ipv4_bits = 32;      ///< prefixes that are one source
  std::uint32_t ipv6_bits = 64;
  Duration tarpit_delay{};
  bool auth = false;  ///< clients may log in: whether one is a stranger is known at MAIL only
};

/// One of these in the process, made before the cores start; its members are for any thread.
class GatewayPolicy {
 public:
  GatewayPolicy(const config::GatewaySettings& settings, std::uint32_t cores);

  /// Start-up only.
  ListenerPolicy add_listener(const config::SmtpListenerSettings& settings);
  /// The digest of the source that `address` belongs to.
  KeyedDigest source_key(const ListenerPolicy& listener, std::uint64_t kind,
                         std::string_view address) const;

  /// A login begins: `address` is the client's, `user` the name it gave, looked up in `directory`
  /// so that the names of an account are one. See LoginGuard.
  LoginGuard::Attempt begin_login(std::string_view address, std::string_view user,
                                  const store::Directory& directory, MonoTime now);
  /// It was verified, or was not to be. Returns when to say `outcome`, which becomes `unavailable`
  /// where the guard says "try again later".
  LoginGuard::Answer finish_login(const LoginGuard::Attempt& attempt, store::AuthOutcome& outcome,
                                  MonoTime now);

  /// Which networks accounts have logged in from, as octets for login_memory.hpp's file. Any
  /// thread; walks through the whole table.
  std::string save_logins(Now now);
  /// Start-up only: they are known again. corrupted: those octets are nothing of save_logins().
  Result<void> restore_logins(std::string_view octets, Now now);

  /// What back pressure demands now. One load of a line that is seldom written.
  PressureAction pressure() const noexcept { return pressure_.load(std::memory_order_relaxed); }
  void set_pressure(PressureAction action) noexcept {
    pressure_.store(action, std::memory_order_relaxed);
  }
  Duration pressure_delay() const noexcept { return pressure_delay_; }

  LoginGuard& logins() noexcept { return logins_; }
  RateLimiter& rates() noexcept { return rates_; }
  TarpitMemory& tarpit() noexcept { return tarpit_; }
  const KeyedHash& hash() const noexcept { return hash_; }

 private:
  ListenerRate rate(const config::RateLimits& limits, Counted counted);

  const KeyedHash hash_;
  KeyedHash pair_hash_;  // its own, since its keys are kept with the digests
  std::vector<std::pair<config::RateLimits, std::unique_ptr<RateWindows>>> windows_;
  RateLimiter rates_;
  TarpitMemory tarpit_;
  LoginGuard logins_;
  const Duration pressure_delay_;
  alignas(kCacheLineOctets) std::atomic<PressureAction> pressure_{PressureAction::none};
};

}  // namespace postern::policy

// Decides which connections a listener takes: networks that may connect, and how many connections
// there may be, in total and of one source. Exact across cores.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "runtime/cidr_set.hpp"
#include "runtime/ip_address.hpp"
#include "runtime/spsc_queue.hpp"
#include "runtime/time.hpp"

namespace postern {

/// One listener's rules. Limits: 0 is off.
struct AccessRules {
  CidrSet allow;  ///< empty: everybody
  CidrSet deny;
  CidrSet trusted;  ///< no limit per source
  std::uint32_t connections_max = 0;
  std::uint32_t connections_per_source_max = 0;
  /// Of the connections that are free when a connection arrives; off without connections_max.
  std::uint32_t connections_per_source_percent = 0;
  std::uint32_t source_prefix_ipv4 = 32;
  std::uint32_t source_prefix_ipv6 = 64;
  bool proxy_protocol = false;  ///< see runtime/acceptor.hpp
  CidrSet proxy_from;
  Duration proxy_timeout{};
};

/// Outcome of an arrival. Requirement ids of the refusals: requirements.md.
enum class Verdict : std::uint8_t {
  admitted,
  not_allowed,  ///< not in `allow` (SMTP-15)
  denied,       ///< in `deny` (SMTP-18)
  connections,  ///< SMTP-16
  per_source,   ///< SMTP-17
};
/// "connections" ...: the reason's name in logs and metrics.
const char* name_of(Verdict verdict) noexcept;

class ConnectionGate;

/// What a connection holds from its arrival to its end: its place, or the right to be told why not.
/// Movable; gives back what it holds when it is destroyed, on any thread. Must not outlive its
/// gate.
class Admission {
 public:
  Admission() = default;
  Admission(Admission&& other) noexcept { *this = std::move(other); }
  Admission& operator=(Admission&& other) noexcept;
  ~Admission() { release(); }

  Verdict verdict() const noexcept { return verdict_; }
  bool admitted() const noexcept { return verdict_ == Verdict::admitted; }
  bool trusted() const noexcept { return trusted_; }
  /// So many refused connections are still being told so that this one is closed without a word.
  bool silent() const noexcept { return silent_; }

 private:
  friend class ConnectionGate;
  void release() noexcept;

  ConnectionGate* gate_ = nullptr;  // null: holds nothing
  IpAddress source_;
  Verdict verdict_ = Verdict::admitted;
  bool trusted_ = false;
  bool source_counted_ = false;
  bool silent_ = false;
};

/// Shared by the cores; every call is thread-safe. An admission costs a search in the networks and
/// one short lock in a table of 64 (by source), once a connection and never for a message; it is
/// what makes "at most n of one source" exact whichever cores its connections come to. Memory: one
/// table entry for each source that has a connection now, so connections_max bounds it.
class ConnectionGate {
 public:
  explicit ConnectionGate(AccessRules rules);
  ~ConnectionGate();
  ConnectionGate(const ConnectionGate&) = delete;
  ConnectionGate& operator=(const ConnectionGate&) = delete;

  const AccessRules& rules() const noexcept { return rules_; }
  /// A client at `address` has connected. A refused connection takes no place, neither in total nor
  /// of its source.
  Admission admit(const IpAddress& address);
  /// The admitted connection speaks for a client at `address` from now on (a proxy says so): judges
  /// it as admit() would, but for the total, where it has its place. Admitted: it is one connection
  /// of that source and none of the last. Else: what it holds stays as it is.
  Verdict rename(Admission& admission, const IpAddress& address);
  /// Admitted connections now.
  std::uint32_t open() const noexcept { return open_.load(std::memory_order_relaxed); }
  /// Sources with a counted connection now. For tests and metrics.
  std::size_t sources() const;

 private:
  friend class Admission;
  static constexpr std::size_t kShards = 64;
  struct alignas(kCacheLineOctets) Shard {
    std::mutex mutex;
    std::unordered_map<IpAddress, std::uint32_t, IpAddressHash> counts;
  };

  Verdict judge_network(const IpAddress& address, bool& trusted) const;
  /// Whether connections are counted by source.
  bool counts_sources() const noexcept;
  IpAddress source_of(const IpAddress& address) const;
  bool take_source(const IpAddress& source);
  void give_back_source(const IpAddress& source) noexcept;
  bool take_place() noexcept;
  Verdict take_place_of(const IpAddress& source);
  std::uint32_t source_allowance(std::uint32_t open) const noexcept;
  Shard& shard_of(const IpAddress& source) const noexcept;
  void give_back(const Admission& admission) noexcept;

  const AccessRules rules_;
  const std::unique_ptr<std::array<Shard, kShards>> shards_;
  alignas(kCacheLineOctets) std::atomic<std::uint32_t> open_{0};
  alignas(kCacheLineOctets) std::atomic<std::uint32_t> refusals_open_{0};
};

}  // namespace postern

#include "runtime/connection_gate.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/assert.hpp"

namespace postern {

namespace {

// Refused connections of one listener that are being told why (a reply, two seconds of linger) at a
// time. Beyond it they are closed at once: a flood must not cost a descriptor each for that long.
constexpr std::uint32_t kRefusalsOpenMax = 1024;

}  // namespace

const char* name_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::admitted:
      return "admitted";
    case Verdict::not_allowed:
      return "not_allowed";
    case Verdict::denied:
      return "denied";
    case Verdict::connections:
      return "connections";
    case Verdict::per_source:
      return "per_source";
  }
  return "";
}

Admission& Admission::operator=(Admission&& other) noexcept {
  if (this == &other) return *this;
  release();
  gate_ = std::exchange(other.gate_, nullptr);
  source_ = other.source_;
  verdict_ = other.verdict_;
  trusted_ = other.trusted_;
  source_counted_ = other.source_counted_;
  silent_ = other.silent_;
  return *this;
}

void Admission::release() noexcept {
  if (ConnectionGate* gate = std::exchange(gate_, nullptr)) gate->give_back(*this);
}

ConnectionGate::ConnectionGate(AccessRules rules)
    : rules_(std::move(rules)), shards_(std::make_unique<std::array<Shard, kShards>>()) {}

ConnectionGate::~ConnectionGate() { POSTERN_ASSERT(open_.load() == 0); }

Admission ConnectionGate::admit(const IpAddress& address) {
  Admission admission;
  Verdict verdict = judge_network(address, admission.trusted_);
  if (verdict == Verdict::admitted) {
    if (counts_sources() && !admission.trusted_) {
      admission.source_ = source_of(address);
      verdict = take_place_of(admission.source_);
      admission.source_counted_ = verdict == Verdict::admitted;
    } else if (!take_place()) {
      verdict = Verdict::connections;
    }
  }
  admission.verdict_ = verdict;
  if (verdict != Verdict::admitted &&
      refusals_open_.fetch_add(1, std::memory_order_relaxed) >= kRefusalsOpenMax) {
    refusals_open_.fetch_sub(1, std::memory_order_relaxed);
    admission.silent_ = true;
    return admission;  // holds nothing
  }
  admission.gate_ = this;
  return admission;
}

bool ConnectionGate::counts_sources() const noexcept {
  return rules_.connections_per_source_max != 0 ||
         (rules_.connections_per_source_percent != 0 && rules_.connections_max != 0);
}

IpAddress ConnectionGate::source_of(const IpAddress& address) const {
  return address.network(address.is_ipv4() ? rules_.source_prefix_ipv4 : rules_.source_prefix_ipv6);
}

Verdict ConnectionGate::rename(Admission& admission, const IpAddress& address) {
  POSTERN_ASSERT(admission.gate_ == this && admission.admitted());
  bool trusted = false;
  const Verdict verdict = judge_network(address, trusted);
  if (verdict != Verdict::admitted) return verdict;
  const bool counted = counts_sources() && !trusted;
  const IpAddress source = source_of(address);
  if (counted && admission.source_counted_ && source == admission.source_) return verdict;
  if (counted && !take_source(source)) return Verdict::per_source;
  if (admission.source_counted_) give_back_source(admission.source_);
  admission.source_counted_ = counted;
  admission.source_ = source;
  return verdict;
}

Verdict ConnectionGate::judge_network(const IpAddress& address, bool& trusted) const {
  if (rules_.deny.contains(address)) return Verdict::denied;
  if (!rules_.allow.empty() && !rules_.allow.contains(address)) return Verdict::not_allowed;
  trusted = rules_.trusted.contains(address);
  return Verdict::admitted;
}

// A refused connection must not be counted even for a moment: another core would refuse a
// connection that there is a place for. Hence compare-and-swap in place of add, compare, subtract.
bool ConnectionGate::take_place() noexcept {
  std::uint32_t open = open_.load(std::memory_order_relaxed);
  do {
    if (rules_.connections_max != 0 && open >= rules_.connections_max) return false;
  } while (!open_.compare_exchange_weak(open, open + 1, std::memory_order_relaxed));
  return true;
}

// The source's count stands still under the lock; the total may move and is judged again if it did.
Verdict ConnectionGate::take_place_of(const IpAddress& source) {
  Shard& shard = shard_of(source);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.counts.find(source);
  const std::uint32_t count = found == shard.counts.end() ? 0 : found->second;
  std::uint32_t open = open_.load(std::memory_order_relaxed);
  do {
    if (rules_.connections_max != 0 && open >= rules_.connections_max) return Verdict::connections;
    if (count >= source_allowance(open)) return Verdict::per_source;
  } while (!open_.compare_exchange_weak(open, open + 1, std::memory_order_relaxed));
  if (found == shard.counts.end()) {
    shard.counts.emplace(source, 1);
  } else {
    ++found->second;
  }
  return Verdict::admitted;
}

// Of a connection that has its place in the total: for the share of what is free it counts as not
// here yet, as when it arrives.
bool ConnectionGate::take_source(const IpAddress& source) {
  Shard& shard = shard_of(source);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.counts.find(source);
  const std::uint32_t count = found == shard.counts.end() ? 0 : found->second;
  if (count >= source_allowance(open() - 1)) return false;
  ++shard.counts[source];
  return true;
}

void ConnectionGate::give_back_source(const IpAddress& source) noexcept {
  Shard& shard = shard_of(source);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.counts.find(source);
  POSTERN_ASSERT(found != shard.counts.end() && found->second > 0);
  if (--found->second == 0) shard.counts.erase(found);
}

std::uint32_t ConnectionGate::source_allowance(std::uint32_t open) const noexcept {
  std::uint64_t allowance = std::numeric_limits<std::uint32_t>::max();
  if (rules_.connections_per_source_max != 0) allowance = rules_.connections_per_source_max;
  if (rules_.connections_per_source_percent != 0 && rules_.connections_max != 0) {
    const std::uint64_t free = rules_.connections_max - open;
    const std::uint64_t share = free * rules_.connections_per_source_percent / 100;
    // The last places are for sources that have none: 2 % of 40 is not "nobody".
    allowance = std::min(allowance, std::max<std::uint64_t>(share, 1));
  }
  return static_cast<std::uint32_t>(allowance);
}

ConnectionGate::Shard& ConnectionGate::shard_of(const IpAddress& source) const noexcept {
  // The hash's low bits choose the bucket within the shard's table.
  return (*shards_)[(IpAddressHash{}(source) >> 48) % kShards];
}

void ConnectionGate::give_back(const Admission& admission) noexcept {
  if (!admission.admitted()) {
    refusals_open_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  if (admission.source_counted_) give_back_source(admission.source_);
  open_.fetch_sub(1, std::memory_order_relaxed);
}

std::size_t ConnectionGate::sources() const {
  std::size_t total = 0;
  for (Shard& shard : *shards_) {
    const std::lock_guard lock(shard.mutex);
    total += shard.counts.size();
  }
  return total;
}

}  // namespace postern

// Limits that trip exactly at their value, from one thread and from many.
#include "runtime/connection_gate.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace postern {
namespace {

IpAddress address(const std::string& text) {
  const auto parsed = IpAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress());
}

CidrSet networks(const std::vector<std::string>& texts) {
  auto set = CidrSet::make(texts);
  EXPECT_TRUE(set);
  return set ? std::move(*set) : CidrSet();
}

/// Admissions of `count` connections from `from`, as many as were admitted before the first
/// refusal.
std::size_t admit_until_refused(ConnectionGate& gate, const std::string& from, std::size_t count,
                                std::vector<Admission>& held, Verdict expected) {
  for (std::size_t admitted = 0; admitted < count; ++admitted) {
    Admission admission = gate.admit(address(from));
    if (!admission.admitted()) {
      EXPECT_EQ(admission.verdict(), expected);
      return admitted;
    }
    held.push_back(std::move(admission));
  }
  return count;
}

TEST(ConnectionGate, TotalTripsOneAboveItsValue) {
  ConnectionGate gate({.connections_max = 3});
  std::vector<Admission> held;
  EXPECT_EQ(admit_until_refused(gate, "192.0.2.1", 9, held, Verdict::connections), 3u);
  EXPECT_EQ(gate.open(), 3u);
  held.pop_back();
  EXPECT_EQ(gate.open(), 2u);
  EXPECT_TRUE(gate.admit(address("192.0.2.2")).admitted());  // given back at once
  EXPECT_EQ(gate.open(), 2u);
}

// A proxy's connections count as those of the clients that it names.
TEST(ConnectionGate, ARenamedConnectionCountsAsItsNewSource) {
  ConnectionGate gate({.deny = networks({"198.51.100.0/24"}),
                       .trusted = networks({"192.0.2.0/24"}),
                       .connections_max = 9,
                       .connections_per_source_max = 2});
  std::vector<Admission> proxied;
  for (int i = 0; i < 4; ++i) proxied.push_back(gate.admit(address("192.0.2.1")));
  EXPECT_EQ(gate.rename(proxied[0], address("203.0.113.1")), Verdict::admitted);
  EXPECT_EQ(gate.rename(proxied[0], address("203.0.113.1")), Verdict::admitted) << "himself";
  EXPECT_EQ(gate.rename(proxied[1], address("203.0.113.1")), Verdict::admitted);
  EXPECT_EQ(gate.rename(proxied[2], address("203.0.113.1")), Verdict::per_source);
  EXPECT_FALSE(gate.admit(address("203.0.113.1")).admitted()) << "without a proxy neither";
  EXPECT_EQ(gate.rename(proxied[2], address("198.51.100.7")), Verdict::denied);
  EXPECT_EQ(gate.rename(proxied[3], address("192.0.2.77")), Verdict::admitted) << "not counted";
  EXPECT_EQ(gate.sources(), 1u);
  EXPECT_EQ(gate.open(), 4u) << "the total is as it was";
  // The next client of the same connection: the last one's place is free.
  EXPECT_EQ(gate.rename(proxied[0], address("203.0.113.2")), Verdict::admitted);
  EXPECT_EQ(gate.rename(proxied[2], address("203.0.113.1")), Verdict::admitted);
  EXPECT_EQ(gate.sources(), 2u);
  proxied.clear();
  EXPECT_EQ(gate.sources(), 0u);
  EXPECT_EQ(gate.open(), 0u);
}

TEST(ConnectionGate, ARenamedConnectionIsNoneOfThoseThatAreLeft) {
  ConnectionGate gate({.trusted = networks({"192.0.2.0/24"}),
                       .connections_max = 4,
                       .connections_per_source_percent = 50});
  std::vector<Admission> proxied;
  for (int i = 0; i < 2; ++i) proxied.push_back(gate.admit(address("192.0.2.1")));
  // Three were free for the second one when it came, half of them is one.
  EXPECT_EQ(gate.rename(proxied[0], address("203.0.113.1")), Verdict::admitted);
  EXPECT_EQ(gate.rename(proxied[1], address("203.0.113.1")), Verdict::per_source);
}

TEST(ConnectionGate, SourceTripsOneAboveItsValueAndLeavesOthersAlone) {
  ConnectionGate gate({.connections_per_source_max = 4});
  std::vector<Admission> held;
  EXPECT_EQ(admit_until_refused(gate, "192.0.2.1", 9, held, Verdict::per_source), 4u);
  EXPECT_EQ(admit_until_refused(gate, "192.0.2.2", 9, held, Verdict::per_source), 4u);
  EXPECT_EQ(gate.sources(), 2u);
  EXPECT_EQ(gate.open(), 8u);
  held.clear();
  EXPECT_EQ(gate.sources(), 0u);
  EXPECT_EQ(gate.open(), 0u);
}

TEST(ConnectionGate, ARefusedConnectionTakesNoPlace) {
  ConnectionGate gate({.connections_max = 2, .connections_per_source_max = 1});
  Admission first = gate.admit(address("192.0.2.1"));
  std::vector<Admission> refused;
  for (int i = 0; i < 5; ++i) {
    refused.push_back(gate.admit(address("192.0.2.1")));
    EXPECT_EQ(refused.back().verdict(), Verdict::per_source);
  }
  EXPECT_TRUE(gate.admit(address("192.0.2.2")).admitted());
}

TEST(ConnectionGate, PercentOfTheRemainingPlaces) {
  // 100 places, 10 %: the first may have 10 of 100; while it holds them another may have 9 of 90.
  ConnectionGate gate({.connections_max = 100, .connections_per_source_percent = 10});
  std::vector<Admission> held;
  // The share shrinks as the source takes places itself: with 9 taken, 10 % of 91 are 9.
  EXPECT_EQ(admit_until_refused(gate, "192.0.2.1", 99, held, Verdict::per_source), 9u);
  // Of 91 free: at 8 taken 83 are free, 10 % are 8.
  EXPECT_EQ(admit_until_refused(gate, "192.0.2.2", 99, held, Verdict::per_source), 8u);
  // A source that has none gets one, however few are left.
  for (int i = 0; i < 83; ++i) {
    held.push_back(gate.admit(address("10.0.0." + std::to_string(i))));
    EXPECT_TRUE(held.back().admitted()) << i;
  }
  EXPECT_EQ(gate.open(), 100u);
  EXPECT_EQ(gate.admit(address("10.0.1.1")).verdict(), Verdict::connections);
}

TEST(ConnectionGate, TheSmallerOfBothSourceLimitsHolds) {
  ConnectionGate gate({.connections_max = 5000,
                       .connections_per_source_max = 20,
                       .connections_per_source_percent = 2});
  std::vector<Admission> held;
  EXPECT_EQ(admit_until_refused(gate, "192.0.2.1", 99, held, Verdict::per_source), 20u);
}

TEST(ConnectionGate, IPv6IsCountedByPrefix) {
  ConnectionGate gate({.connections_per_source_max = 2});
  const Admission one = gate.admit(address("2001:db8:0:1::1"));
  const Admission two = gate.admit(address("2001:db8:0:1:ffff::2"));
  EXPECT_TRUE(one.admitted() && two.admitted());
  EXPECT_EQ(gate.admit(address("2001:db8:0:1:2::3")).verdict(), Verdict::per_source);
  EXPECT_TRUE(gate.admit(address("2001:db8:0:2::1")).admitted());

  ConnectionGate wide({.connections_per_source_max = 1, .source_prefix_ipv6 = 48});
  const Admission taken = wide.admit(address("2001:db8:0:1::1"));
  EXPECT_EQ(wide.admit(address("2001:db8:0:2::1")).verdict(), Verdict::per_source);
  EXPECT_TRUE(wide.admit(address("2001:db8:1::1")).admitted());
}

TEST(ConnectionGate, AMappedIPv4AddressIsItsIPv4Source) {
  ConnectionGate gate({.connections_per_source_max = 1, .source_prefix_ipv4 = 24});
  const Admission taken = gate.admit(address("192.0.2.1"));
  EXPECT_EQ(gate.admit(address("::ffff:192.0.2.200")).verdict(), Verdict::per_source);
  EXPECT_TRUE(gate.admit(address("192.0.3.1")).admitted());
}

TEST(ConnectionGate, NetworksComeFirst) {
  ConnectionGate gate({.allow = networks({"10.0.0.0/8"}), .deny = networks({"10.6.0.0/16"})});
  EXPECT_TRUE(gate.admit(address("10.1.1.1")).admitted());
  EXPECT_EQ(gate.admit(address("10.6.1.1")).verdict(), Verdict::denied);
  EXPECT_EQ(gate.admit(address("192.0.2.1")).verdict(), Verdict::not_allowed);
  EXPECT_EQ(gate.admit(address("::1")).verdict(), Verdict::not_allowed);
}

TEST(ConnectionGate, TrustedIsFreeOfSourceLimitsAndNotOfTheTotal) {
  ConnectionGate gate(
      {.trusted = networks({"10.0.0.0/8"}), .connections_max = 5, .connections_per_source_max = 1});
  std::vector<Admission> held;
  EXPECT_EQ(admit_until_refused(gate, "10.0.0.1", 9, held, Verdict::connections), 5u);
  EXPECT_TRUE(held.front().trusted());
  held.clear();
  EXPECT_EQ(gate.open(), 0u);
  EXPECT_FALSE(gate.admit(address("192.0.2.1")).trusted());
}

TEST(ConnectionGate, AFloodOfRefusalsIsNotToldAnyMore) {
  ConnectionGate gate({.deny = networks({"192.0.2.1"})});
  std::vector<Admission> told;
  for (int i = 0; i < 1024; ++i) told.push_back(gate.admit(address("192.0.2.1")));
  for (const Admission& admission : told) ASSERT_FALSE(admission.silent());
  EXPECT_TRUE(gate.admit(address("192.0.2.1")).silent());
  EXPECT_EQ(gate.admit(address("192.0.2.1")).verdict(), Verdict::denied);
  told.pop_back();
  EXPECT_FALSE(gate.admit(address("192.0.2.1")).silent());
}

TEST(ConnectionGate, AdmissionsMove) {
  ConnectionGate gate({.connections_max = 1});
  Admission first = gate.admit(address("192.0.2.1"));
  Admission second = std::move(first);
  EXPECT_EQ(gate.open(), 1u);
  second = Admission();
  EXPECT_EQ(gate.open(), 0u);
}

/// Many threads try to hold more than they may: never one too many, and never one too few.
TEST(ConnectionGate, ExactAcrossThreads) {
  constexpr std::uint32_t kTotal = 50;
  constexpr std::uint32_t kPerSource = 7;
  ConnectionGate gate({.connections_max = kTotal, .connections_per_source_max = kPerSource});
  std::array<std::atomic<std::uint32_t>, 10> of_source{};
  std::atomic<std::uint32_t> total{0};
  std::atomic<std::uint32_t> highest{0};
  std::atomic<bool> wrong{false};
  const auto work = [&](unsigned seed) {
    std::vector<std::pair<Admission, std::size_t>> held;
    for (int turn = 0; turn < 20'000; ++turn) {
      seed = seed * 1664525u + 1013904223u;
      const std::size_t source = (seed >> 16) % of_source.size();
      Admission admission =
          gate.admit(IpAddress::from_ipv4({10, 0, 0, static_cast<std::uint8_t>(source)}));
      if (admission.admitted()) {
        // Counted after and uncounted before the gate: never more than the gate has.
        if (of_source[source].fetch_add(1) >= kPerSource) wrong = true;
        const std::uint32_t now = total.fetch_add(1) + 1;
        if (now > kTotal) wrong = true;
        std::uint32_t before = highest.load();
        while (now > before && !highest.compare_exchange_weak(before, now)) {
        }
        held.emplace_back(std::move(admission), source);
      }
      if (held.size() > 30 || (!held.empty() && seed % 3 == 0)) {
        of_source[held.front().second].fetch_sub(1);
        total.fetch_sub(1);
        held.erase(held.begin());
      }
    }
    for (auto& [admission, source] : held) {
      of_source[source].fetch_sub(1);
      total.fetch_sub(1);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(wrong);
  EXPECT_GT(highest, kPerSource);
  EXPECT_EQ(gate.open(), 0u);
  EXPECT_EQ(gate.sources(), 0u);
  std::vector<Admission> held;
  EXPECT_EQ(admit_until_refused(gate, "10.0.0.1", 99, held, Verdict::per_source), kPerSource);
}

}  // namespace
}  // namespace postern

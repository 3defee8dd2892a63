// What one connection's policy says: who is counted as whom, and who is not counted at all.
#include "gateway/policy/client_policy.hpp"

#include <gtest/gtest.h>
#include <optional>

#include "gateway/metric_ids.hpp"

namespace postern::policy {
namespace {

using smtp::MessageVerdict;
using std::chrono::seconds;

class ClientPolicies : public ::testing::Test {
 protected:
  static config::SmtpListenerSettings small_rates() {
    config::SmtpListenerSettings settings;
    settings.source_message_rate = {.per_minute = 3};
    settings.identity_message_rate = {.per_minute = 5};
    settings.tarpit_delay = seconds(5);
    return settings;
  }
  GatewayPolicy& policy() {
    if (!shared) {
      shared.emplace(gateway, 2);
      listener_policy = shared->add_listener(listener);
    }
    return *shared;
  }
  ClientPolicy client(const std::string& address, std::uint32_t core = 0, bool trusted = false) {
    policy();
    PeerFacts peer{.address = address, .is_ipv6 = address.find(':') != address.npos};
    peer.trusted = trusted;
    return ClientPolicy(cores[core], *listener_policy, peer);
  }
  int admitted(ClientPolicy client, std::string_view identity = {}) {
    int count = 0;
    while (count < 100 && client.admit_message(identity, 0, now) == MessageVerdict::admitted) {
      ++count;
    }
    return count;
  }

  config::GatewaySettings gateway;
  config::SmtpListenerSettings listener = small_rates();
  std::optional<GatewayPolicy> shared;
  std::optional<ListenerPolicy> listener_policy;
  metrics::Cells cells{gateway::kMetricCount};
  CorePolicy cores[2] = {{.shared = policy(), .core = 0, .cells = cells, .held_octets_max = 100},
                         {.shared = policy(), .core = 1, .cells = cells, .held_octets_max = 100}};
  Now now{.mono = MonoTime(std::chrono::hours(500)), .unix_ms = 0};
};

TEST_F(ClientPolicies, ASourceIsCountedOverConnectionsAndCores) {
  EXPECT_EQ(client("192.0.2.1", 0).admit_message({}, 0, now), MessageVerdict::admitted);
  EXPECT_EQ(admitted(client("192.0.2.1", 1)), 2);
  EXPECT_EQ(admitted(client("192.0.2.1", 0)), 0);
  EXPECT_EQ(client("192.0.2.1").admit_message({}, 0, now), MessageVerdict::message_rate);
  EXPECT_EQ(admitted(client("192.0.2.2")), 3) << "another source";
  EXPECT_EQ(cells.get(gateway::kRateSourceMessages), 4U);
}

TEST_F(ClientPolicies, Ipv6IsCountedByPrefix) {
  EXPECT_EQ(admitted(client("2001:db8:0:1::1")), 3);
  EXPECT_EQ(admitted(client("2001:db8:0:1:ffff::1")), 0);
  EXPECT_EQ(admitted(client("2001:db8:0:2::1")), 3);
}

TEST_F(ClientPolicies, AnAccountIsCountedWhereverItComesFrom) {
  EXPECT_EQ(admitted(client("192.0.2.1"), "alice@example.org"), 5);
  EXPECT_EQ(admitted(client("198.51.100.1", 1), "alice@example.org"), 0);
  EXPECT_EQ(admitted(client("192.0.2.1"), "bob@example.org"), 5);
  EXPECT_EQ(admitted(client("192.0.2.1")), 3) << "the source itself has sent nothing";
}

TEST_F(ClientPolicies, TrustedClientsAreNotCounted) {
  EXPECT_EQ(admitted(client("192.0.2.1", 0, true)), 100);
  EXPECT_EQ(admitted(client("192.0.2.1")), 3);
}

TEST_F(ClientPolicies, ListenersWithEqualRatesCountTogether) {
  config::SmtpListenerSettings other = listener;
  other.source_message_rate = {.per_minute = 4};
  const ListenerPolicy same = policy().add_listener(listener);
  const ListenerPolicy different = policy().add_listener(other);
  PeerFacts peer;
  peer.address = "192.0.2.1";
  EXPECT_EQ(admitted(client("192.0.2.1")), 3);
  EXPECT_EQ(admitted(ClientPolicy(cores[0], same, peer)), 0);
  EXPECT_EQ(admitted(ClientPolicy(cores[0], different, peer)), 4);
  EXPECT_EQ(admitted(ClientPolicy(cores[0], different, peer), "alice"), 5) << "this rate is equal";
  EXPECT_EQ(admitted(client("192.0.2.1"), "alice"), 0);
}

TEST_F(ClientPolicies, RecipientsAndOctetsOfAccounts) {
  listener.identity_recipient_rate = {.per_hour = 4};
  listener.identity_octet_rate = {.per_hour = 1000};
  listener_policy = policy().add_listener(listener);
  ClientPolicy one = client("192.0.2.1", 0);
  ClientPolicy two = client("192.0.2.9", 1);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE((i % 2 == 0 ? one : two).admit_recipient("alice", now));
  EXPECT_FALSE(one.admit_recipient("alice", now));
  EXPECT_TRUE(one.admit_recipient("bob", now));
  EXPECT_TRUE(one.admit_recipient({}, now)) << "strangers have no such rate";

  EXPECT_EQ(one.admit_message("alice", 1000, now), MessageVerdict::admitted);
  EXPECT_EQ(one.admit_message("alice", 1001, now), MessageVerdict::octet_rate);
  EXPECT_TRUE(one.admit_octets("alice", 600, now));
  EXPECT_FALSE(two.admit_octets("alice", 401, now));
  EXPECT_EQ(two.admit_message("alice", 0, now), MessageVerdict::admitted);
  EXPECT_TRUE(two.admit_octets("alice", 400, now));
  EXPECT_EQ(two.admit_message("alice", 0, now), MessageVerdict::octet_rate) << "nothing is left";
  EXPECT_EQ(cells.get(gateway::kRateIdentityRecipients), 1U);
  EXPECT_EQ(cells.get(gateway::kRateIdentityOctets), 3U);
}

TEST_F(ClientPolicies, WhomAProxySpeaksForIsCountedAsHimself) {
  ClientPolicy proxy = client("192.0.2.1", 0, true);
  PeerFacts stranger;
  stranger.address = "198.51.100.7";
  proxy.set_peer(stranger);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(proxy.admit_message({}, 0, now), MessageVerdict::admitted);
  }
  EXPECT_EQ(proxy.admit_message({}, 0, now), MessageVerdict::message_rate);
  EXPECT_EQ(admitted(client("198.51.100.7")), 0);
  EXPECT_EQ(admitted(client("192.0.2.1")), 3);
}

TEST_F(ClientPolicies, NoRoomCountsNothing) {
  cores[0].held_octets = 100;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(client("192.0.2.1").admit_message({}, 0, now), MessageVerdict::no_room);
  }
  EXPECT_EQ(cells.get(gateway::kMemoryRefusals), 10U);
  cores[0].held_octets = 99;
  EXPECT_EQ(admitted(client("192.0.2.1")), 3);
}

TEST_F(ClientPolicies, AMessageIsRefusedForWhatOthersHold) {
  ClientPolicy one = client("192.0.2.1");
  cores[0].held_octets = 199;
  EXPECT_TRUE(one.has_memory(100)) << "others hold 99";
  EXPECT_FALSE(one.has_memory(99));
  cores[0].held_octets = 5000;
  EXPECT_TRUE(one.has_memory(5000)) << "alone a message of any size is taken";
  EXPECT_EQ(cells.get(gateway::kMemoryRefusals), 1U);
}

TEST_F(ClientPolicies, ErrorsAreRememberedPerSource) {
  EXPECT_EQ(client("192.0.2.1").greeting_delay(now), Duration::zero());
  client("192.0.2.1", 0).on_error_held_back(now);
  EXPECT_EQ(client("192.0.2.1", 1).greeting_delay(now), seconds(5));
  EXPECT_EQ(client("192.0.2.2", 1).greeting_delay(now), Duration::zero());
  EXPECT_EQ(client("192.0.2.1", 1, true).greeting_delay(now), Duration::zero());
  now.mono += seconds(599);
  EXPECT_EQ(client("192.0.2.1").greeting_delay(now), seconds(5));
  now.mono += seconds(1);
  EXPECT_EQ(client("192.0.2.1").greeting_delay(now), Duration::zero()) << "forgotten";
  EXPECT_EQ(cells.get(gateway::kTarpitReplies), 1U);
  EXPECT_EQ(cells.get(gateway::kTarpitGreetings), 2U);
}

TEST_F(ClientPolicies, TarpitMemoryIsBounded) {
  TarpitMemory memory(64, seconds(600));
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    memory.remember({.high = i, .low = i}, now.mono + std::chrono::milliseconds(i));
  }
  EXPECT_EQ(memory.entries(), 64U);
  EXPECT_TRUE(memory.remembers({.high = 99'999, .low = 99'999}, now.mono + seconds(100)));
  EXPECT_FALSE(memory.remembers({.high = 5, .low = 5}, now.mono + seconds(100)));
}

}  // namespace
}  // namespace postern::policy

// Back pressure (SMTP-13): levels with their hysteresis, and what follows for whom.
#include "gateway/policy/pressure.hpp"

#include <gtest/gtest.h>

#include "gateway/metric_ids.hpp"
#include "gateway/policy/client_policy.hpp"

namespace postern::policy {
namespace {

using std::chrono::seconds;

class Pressure : public ::testing::Test {
 protected:
  PressureAction look(const PressureSample& sample) {
    now += seconds(1);
    return gauge.update(sample, now);
  }
  PressureAction memory(std::uint64_t percent) { return look({.memory_octets = percent * 10}); }
  static PressureLimits limits() {
    PressureLimits result{.memory_budget_octets = 1000, .disk_free_min_octets = 1 << 20};
    result.settings.memory_medium_percent = 70;
    result.settings.memory_high_percent = 90;
    result.settings.recovery_percent = 80;
    result.settings.patience = seconds(3);
    return result;
  }
  PressureGauge gauge{limits()};
  MonoTime now{std::chrono::hours(5)};
};

TEST_F(Pressure, FirstStrangersWaitThenTheyAreRefusedThenAll) {
  EXPECT_EQ(memory(69), PressureAction::none);
  EXPECT_EQ(memory(70), PressureAction::delay_strangers);
  EXPECT_EQ(memory(70), PressureAction::delay_strangers);
  EXPECT_EQ(memory(70), PressureAction::delay_strangers);
  EXPECT_EQ(memory(70), PressureAction::refuse_strangers) << "patience is over";
  EXPECT_EQ(memory(89), PressureAction::refuse_strangers);
  EXPECT_EQ(memory(90), PressureAction::refuse_all);
  EXPECT_EQ(gauge.reason(), Resource::memory);
}

TEST_F(Pressure, LevelsEndLowerThanTheyBegin) {
  memory(90);
  EXPECT_EQ(gauge.level(), PressureLevel::high);
  memory(73);
  EXPECT_EQ(gauge.level(), PressureLevel::high) << "72 is the end of high";
  memory(72);
  EXPECT_EQ(gauge.level(), PressureLevel::medium);
  memory(89);
  EXPECT_EQ(gauge.level(), PressureLevel::medium) << "high begins at 90 again";
  memory(57);
  EXPECT_EQ(gauge.level(), PressureLevel::medium) << "56 is the end of medium";
  memory(56);
  EXPECT_EQ(gauge.level(), PressureLevel::none);
  memory(69);
  EXPECT_EQ(gauge.level(), PressureLevel::none);
}

TEST_F(Pressure, DiskSpaceIsMeasuredAgainstTheStoresMinimum) {
  const auto free = [&](std::uint64_t kib) { return look({.disk_free_octets = kib << 10}); };
  EXPECT_EQ(free(4096), PressureAction::none);
  EXPECT_EQ(free(2049), PressureAction::none);
  EXPECT_EQ(free(2048), PressureAction::delay_strangers) << "twice the minimum";
  EXPECT_EQ(free(1024), PressureAction::refuse_all);
  EXPECT_EQ(free(1200), PressureAction::refuse_all) << "not yet 125 % of it";
  EXPECT_NE(free(1300), PressureAction::refuse_all);
  EXPECT_EQ(gauge.level_of(Resource::disk), PressureLevel::medium);
  EXPECT_EQ(free(2600), PressureAction::none);
  EXPECT_EQ(look({.disk_free_octets = 0}), PressureAction::none) << "not known";
}

TEST_F(Pressure, StallsAndLatencyAreOfTheLastSeconds) {
  PressureSample sample{.groups = 1000, .stalls = 0, .sync_micros = 1'000'000};
  EXPECT_EQ(look(sample), PressureAction::none);
  sample.groups += 10;
  sample.stalls += 30;
  sample.sync_micros += 10'000;
  EXPECT_EQ(look(sample), PressureAction::delay_strangers);
  EXPECT_EQ(gauge.reason(), Resource::stall);
  for (int i = 0; i < 5; ++i) {
    sample.stalls += 50;
    look(sample);
  }
  EXPECT_EQ(gauge.level(), PressureLevel::high) << "nothing but stalls";
  for (int i = 0; i < 8; ++i) {
    sample.groups += 10;
    sample.sync_micros += 10'000;
    look(sample);
  }
  EXPECT_EQ(gauge.level(), PressureLevel::none);

  sample.groups += 2;
  sample.sync_micros += 2'000'000;
  EXPECT_EQ(look(sample), PressureAction::delay_strangers) << "a second each";
  EXPECT_EQ(gauge.reason(), Resource::latency);
  sample.groups += 1;
  sample.sync_micros += 10'000'000;
  EXPECT_EQ(look(sample), PressureAction::refuse_all);
  EXPECT_EQ(look(sample), PressureAction::none) << "nothing is written and nothing waits";
}

TEST_F(Pressure, TheWorstResourceDecides) {
  look({.memory_octets = 950, .disk_free_octets = 2048 << 10});
  EXPECT_EQ(gauge.level(), PressureLevel::high);
  EXPECT_EQ(gauge.reason(), Resource::memory);
  EXPECT_EQ(gauge.level_of(Resource::disk), PressureLevel::medium);
}

TEST(PressureOnClients, WhoIsDelayedAndWhoIsRefused) {
  config::GatewaySettings settings;
  settings.pressure.delay = seconds(3);
  GatewayPolicy shared(settings, 1);
  config::SmtpListenerSettings relay;
  config::SmtpListenerSettings submission;
  submission.auth = true;
  const ListenerPolicy relay_policy = shared.add_listener(relay);
  const ListenerPolicy submission_policy = shared.add_listener(submission);
  metrics::Cells cells(gateway::kMetricCount);
  CorePolicy core{.shared = shared, .core = 0, .cells = cells, .held_octets_max = 100};
  const Now now{.mono = MonoTime(seconds(1000)), .unix_ms = 0};
  PeerFacts peer;
  peer.address = "192.0.2.1";
  PeerFacts friendly = peer;
  friendly.trusted = true;
  ClientPolicy stranger(core, relay_policy, peer);
  ClientPolicy trusted(core, relay_policy, friendly);
  ClientPolicy user(core, submission_policy, peer);
  const auto admitted = [&](ClientPolicy& client, std::string_view identity) {
    return client.admit_message(identity, 0, now) == smtp::MessageVerdict::admitted;
  };

  EXPECT_EQ(stranger.greeting_delay(now), Duration::zero());
  shared.set_pressure(PressureAction::delay_strangers);
  EXPECT_EQ(stranger.greeting_delay(now), seconds(3));
  EXPECT_EQ(stranger.mail_delay({}), seconds(3));
  EXPECT_EQ(user.mail_delay("alice"), Duration::zero());
  EXPECT_EQ(trusted.greeting_delay(now), Duration::zero());
  EXPECT_TRUE(admitted(stranger, {}));

  shared.set_pressure(PressureAction::refuse_strangers);
  EXPECT_TRUE(stranger.refuses_connection());
  EXPECT_FALSE(user.refuses_connection()) << "he may log in yet";
  EXPECT_FALSE(trusted.refuses_connection());
  EXPECT_FALSE(admitted(user, {}));
  EXPECT_TRUE(admitted(user, "alice"));
  EXPECT_TRUE(admitted(trusted, {}));

  shared.set_pressure(PressureAction::refuse_all);
  EXPECT_TRUE(trusted.refuses_connection());
  EXPECT_TRUE(user.refuses_connection());
  EXPECT_FALSE(admitted(user, "alice"));
  shared.set_pressure(PressureAction::none);
  EXPECT_TRUE(admitted(stranger, {}));
}

}  // namespace
}  // namespace postern::policy

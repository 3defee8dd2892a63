// Which networks are known survives a restart, and nothing else gets in with it.
#include "gateway/policy/login_memory.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "gateway/policy/gateway_policy.hpp"
#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::policy {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;

constexpr std::int64_t kUnixMs = 1'700'000'000'500;

LoginMemory two_pairs() {
  return {.keys = {{{1, 2}, {3, 4}}},
          .known = {{.pair = {.high = 5, .low = 6}, .left = days(30)},
                    {.pair = {.high = ~7ULL, .low = 8}, .left = hours(1)}}};
}

TEST(LoginMemory, ComesBackWithTheTimeThatIsLeft) {
  const auto back = decode_login_memory(encode(two_pairs(), kUnixMs), kUnixMs + 60'000);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->keys, two_pairs().keys);
  ASSERT_EQ(back->known.size(), 2U);
  EXPECT_EQ(back->known[0].pair, (KeyedDigest{.high = 5, .low = 6}));
  EXPECT_EQ(back->known[0].left, days(30) - seconds(60));
  EXPECT_EQ(back->known[1].pair, (KeyedDigest{.high = ~7ULL, .low = 8}));
}

TEST(LoginMemory, WhoseTimeIsOverIsNotInIt) {
  const std::string octets = encode(two_pairs(), kUnixMs);
  EXPECT_EQ(decode_login_memory(octets, kUnixMs + 3'599'000)->known.size(), 2U);
  EXPECT_EQ(decode_login_memory(octets, kUnixMs + 3'600'000)->known.size(), 1U);
  EXPECT_TRUE(decode_login_memory(octets, kUnixMs + 31 * 86'400'000LL)->known.empty());
}

TEST(LoginMemory, NothingKnownIsAFileToo) {
  const auto back = decode_login_memory(encode({.keys = {{{1, 2}, {3, 4}}}}, kUnixMs), kUnixMs);
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(back->known.empty());
}

TEST(LoginMemory, EveryOctetMatters) {
  const std::string octets = encode(two_pairs(), kUnixMs);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    EXPECT_FALSE(decode_login_memory(octets.substr(0, i), kUnixMs).has_value()) << i;
    std::string other = octets;
    other[i] = static_cast<char>(other[i] ^ 0x10);
    EXPECT_FALSE(decode_login_memory(other, kUnixMs).has_value()) << i;
  }
  EXPECT_FALSE(decode_login_memory(octets + '\0', kUnixMs).has_value());
}

class AfterARestart : public ::testing::Test {
 protected:
  AfterARestart() { settings.login_failures_free = 0; }
  LoginGuard::Attempt attempt(GatewayPolicy& policy, std::string_view address, Now now) {
    return policy.begin_login(address, "alice@example.org", directory, now.mono);
  }
  void log_in(GatewayPolicy& policy, std::string_view address, Now now) {
    store::AuthOutcome right{.kind = store::AuthOutcome::Kind::ok, .name = "alice@example.org"};
    policy.finish_login(attempt(policy, address, now), right, now.mono);
  }
  config::GatewaySettings settings;
  const smtp::test::FakeDirectory directory;
  // Another boot: the monotonic clocks have nothing in common.
  const Now before{.mono = MonoTime(hours(5000)), .unix_ms = kUnixMs};
  const Now after{.mono = MonoTime(hours(1)), .unix_ms = kUnixMs + 3'600'000};
};

TEST_F(AfterARestart, TheOwnersNetworkIsKnownAndNoOther) {
  GatewayPolicy old(settings, 1);
  log_in(old, "192.0.2.1", before);
  const std::string octets = old.save_logins(before);

  GatewayPolicy restarted(settings, 1);
  EXPECT_FALSE(attempt(restarted, "192.0.2.1", after).known) << "not yet";
  ASSERT_TRUE(restarted.restore_logins(octets, after).has_value());
  EXPECT_TRUE(attempt(restarted, "192.0.2.1", after).known);
  EXPECT_FALSE(attempt(restarted, "192.0.2.2", after).known);
  const Now a_month_later{.mono = after.mono + days(30), .unix_ms = 0};
  EXPECT_FALSE(attempt(restarted, "192.0.2.1", a_month_later).known);
  EXPECT_EQ(restarted.save_logins(after), octets) << "a stop without a login loses nothing";
}

TEST_F(AfterARestart, AClockThatWasSetBackMakesNobodyKnownForLonger) {
  GatewayPolicy old(settings, 1);
  log_in(old, "192.0.2.1", before);
  const std::string octets = old.save_logins(before);
  GatewayPolicy restarted(settings, 1);
  const Now earlier{.mono = after.mono, .unix_ms = kUnixMs - 90 * 86'400'000LL};
  ASSERT_TRUE(restarted.restore_logins(octets, earlier).has_value());
  const Now a_month_later{.mono = after.mono + days(30), .unix_ms = 0};
  EXPECT_FALSE(attempt(restarted, "192.0.2.1", a_month_later).known);
}

TEST_F(AfterARestart, ADamagedFileChangesNothing) {
  GatewayPolicy policy(settings, 1);
  log_in(policy, "192.0.2.1", before);
  std::string octets = policy.save_logins(before);
  octets.back() = static_cast<char>(octets.back() ^ 1);
  const auto restored = policy.restore_logins(octets, before);
  ASSERT_FALSE(restored.has_value());
  EXPECT_EQ(restored.error().code, ErrorCode::corrupted);
  EXPECT_TRUE(attempt(policy, "192.0.2.1", before).known);
}

TEST_F(AfterARestart, OnlyNewsIsWorthAWrite) {
  GatewayPolicy policy(settings, 1);
  const auto changes = [&] { return policy.logins().known_changes(); };
  EXPECT_EQ(changes(), 0U);
  log_in(policy, "192.0.2.1", before);
  EXPECT_EQ(changes(), 1U);
  Now later = before;
  for (int i = 0; i < 20; ++i) {
    later.mono += hours(1);
    log_in(policy, "192.0.2.1", later);
  }
  EXPECT_EQ(changes(), 1U);
  later.mono += days(1);
  log_in(policy, "192.0.2.1", later);
  EXPECT_EQ(changes(), 2U);
}

TEST(LoginMemory, TheLatestLoginsAreKeptWhenThereAreTooMany) {
  LoginGuard guard({.entries_max = 1024});
  const MonoTime now{hours(100)};
  for (std::uint64_t i = 1; i <= 100; ++i) {
    guard.remember({.pair = {.high = i, .low = i}, .left = hours(i)}, now);
  }
  ASSERT_EQ(guard.known(1000, now).size(), 100U);
  const auto kept = guard.known(10, now);
  ASSERT_EQ(kept.size(), 10U);
  for (const LoginGuard::Known& known : kept) EXPECT_GT(known.left, hours(90));
}

}  // namespace
}  // namespace postern::policy

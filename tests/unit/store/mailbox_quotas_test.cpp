// What a mailbox holds and may hold: the boundaries, and ids wherever they are.
#include "store/mailbox_quotas.hpp"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <map>
#include <thread>
#include <vector>

#include "store/account_settings.hpp"

namespace postern::store::testing {
namespace {

constexpr MailboxId kBox{7};

TEST(MailboxQuotas, ExactlyFullIsFullAndOneOctetLessIsNot) {
  MailboxQuotas quotas(1000);
  quotas.set_limit(kBox, std::nullopt);
  quotas.set_used(kBox, 999);
  EXPECT_EQ(quotas.room_for(kBox, 0), MailboxRoom::enough);
  EXPECT_EQ(quotas.room_for(kBox, 1), MailboxRoom::enough);
  EXPECT_EQ(quotas.room_for(kBox, 2), MailboxRoom::full);
  quotas.set_used(kBox, 1000);
  EXPECT_EQ(quotas.room_for(kBox, 0), MailboxRoom::full);
  EXPECT_EQ(quotas.room_for(kBox, 1), MailboxRoom::full);
  quotas.set_used(kBox, 5000);
  EXPECT_EQ(quotas.room_for(kBox, 0), MailboxRoom::full);
  quotas.set_used(kBox, 0);
  EXPECT_EQ(quotas.room_for(kBox, 1000), MailboxRoom::enough);
  EXPECT_EQ(quotas.room_for(kBox, 1001), MailboxRoom::too_large);
  EXPECT_EQ(quotas.room_for(kBox, UINT64_MAX), MailboxRoom::too_large);
}

TEST(MailboxQuotas, AnAccountsOwnQuotaCountsBeforeTheDefault) {
  MailboxQuotas quotas(1000);
  quotas.set_used(kBox, 5000);
  EXPECT_EQ(quotas.room_for(kBox, 0), MailboxRoom::enough) << "no account has it yet";
  quotas.set_limit(kBox, std::nullopt);
  EXPECT_EQ(quotas.room_for(kBox, 0), MailboxRoom::full);
  quotas.set_limit(kBox, 6000);
  EXPECT_EQ(quotas.room_for(kBox, 1000), MailboxRoom::enough);
  quotas.set_limit(kBox, 0);
  EXPECT_EQ(quotas.room_for(kBox, UINT64_MAX), MailboxRoom::enough);
  EXPECT_EQ(quotas.use_of(kBox), (QuotaUse{5000, 0}));
  quotas.set_limit(kBox, std::nullopt);
  EXPECT_EQ(quotas.use_of(kBox), (QuotaUse{5000, 1000}));
  EXPECT_EQ(quotas.limited_count(), 1u);
  quotas.remove(kBox);
  EXPECT_EQ(quotas.use_of(kBox), QuotaUse{});
  EXPECT_EQ(quotas.limited_count(), 0u);
}

TEST(MailboxQuotas, WithoutADefaultNobodyIsLimited) {
  MailboxQuotas quotas;
  quotas.set_limit(kBox, std::nullopt);
  quotas.set_used(kBox, UINT64_MAX);
  EXPECT_EQ(quotas.room_for(kBox, UINT64_MAX), MailboxRoom::enough);
  EXPECT_EQ(quotas.limited_count(), 0u);
}

TEST(MailboxQuotas, IdsMayBeAnywhere) {
  MailboxQuotas quotas;
  std::map<std::uint64_t, QuotaUse> expected;
  for (const std::uint64_t id : {1ull, 4095ull, 4096ull, 262'143ull, 262'144ull, 50'000'000ull}) {
    quotas.set_used(MailboxId{id}, id);
    quotas.set_limit(MailboxId{id}, id + 1);
    expected[id] = {id, id + 1};
    EXPECT_EQ(quotas.use_of(MailboxId{id + 1}), QuotaUse{});
  }
  EXPECT_EQ(quotas.use_of(MailboxId{UINT64_MAX}), QuotaUse{});
  std::map<std::uint64_t, QuotaUse> found;
  quotas.each_limited([&](MailboxId id, const QuotaUse& use) { found[raw(id)] = use; });
  EXPECT_EQ(found, expected);
  EXPECT_EQ(quotas.limited_count(), expected.size());
}

// Readers ask while the writer's index grows under them.
TEST(MailboxQuotas, ReadersSeeEveryMailboxThatTheyWereToldOf) {
  MailboxQuotas quotas(10);
  constexpr std::uint64_t kIds = 2'000'000;
  std::atomic<std::uint64_t> announced{0};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (last < kIds) {
        last = announced.load(std::memory_order_acquire);
        if (last != 0 && quotas.use_of(MailboxId{last}) != QuotaUse{last, 10}) ++wrong;
      }
    });
  }
  for (std::uint64_t id = 1; id <= kIds; id = id == kIds ? kIds + 1 : std::min(id + 999, kIds)) {
    quotas.set_used(MailboxId{id}, id);
    quotas.set_limit(MailboxId{id}, std::nullopt);
    announced.store(id, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
}

TEST(MailboxPolicy, QuotaIsTheAccountsOwnOrTheDefault) {
  const MailboxPolicy defaults{.quota_octets = 5000};
  EXPECT_EQ(MailboxPolicy::of({}, defaults).quota_octets, 5000u);
  EXPECT_EQ(MailboxPolicy::of({.quota_octets = 0}, defaults).quota_octets, 0u);
  EXPECT_EQ(MailboxPolicy::of({.quota_octets = 7000}, defaults).quota_octets, 7000u);
  EXPECT_EQ(MailboxPolicy::stricter_of({.quota_octets = 0}, defaults).quota_octets, 5000u);
  EXPECT_EQ(MailboxPolicy::stricter_of(defaults, {.quota_octets = 4000}).quota_octets, 4000u);
  EXPECT_FALSE(AccountSettings{.quota_octets = 0}.empty());
  const AccountSettingsChange set{.quota_action = SettingAction::set, .quota_octets = 9000};
  AccountSettings settings = set.apply_to({.keep = std::chrono::days(3)});
  EXPECT_EQ(settings.quota_octets, 9000u);
  EXPECT_EQ(settings.keep, std::chrono::days(3));
  EXPECT_EQ(AccountSettingsChange{}.apply_to(settings), settings);
  EXPECT_EQ(AccountSettingsChange{.quota_action = SettingAction::reset}.apply_to(settings),
            AccountSettings{.keep = std::chrono::days(3)});
  EXPECT_TRUE(valid_quota(0) && valid_quota(kQuotaOctetsMin) && valid_quota(kQuotaOctetsMax));
  EXPECT_FALSE(valid_quota(1) || valid_quota(kQuotaOctetsMin - 1));
  EXPECT_FALSE(valid_quota(kQuotaOctetsMax + 1));
}

}  // namespace
}  // namespace postern::store::testing

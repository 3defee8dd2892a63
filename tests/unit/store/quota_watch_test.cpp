// Who is told about a quota, and when: each crossing once, and again while it lasts.
#include "store/quota_watch.hpp"

#include <gtest/gtest.h>

namespace postern::store::testing {
namespace {

constexpr MailboxId kBox{3};
constexpr std::int64_t kStart = 1'795'271'400'000;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr QuotaRules kRules{.warning_percent = 90, .interval = std::chrono::days(1)};

/// A mailbox of 1000 octets, the watch, and what the job does with its news.
class QuotaWatchTest : public ::testing::Test {
 protected:
  QuotaWatchTest() { quotas_.set_limit(kBox, std::nullopt); }

  /// What a look at the mailbox with this use says, "near", "full" or "" for nothing; kept.
  std::string look(std::uint64_t used_octets, std::int64_t now_unix_ms = kStart) {
    quotas_.set_used(kBox, used_octets);
    const QuotaWatch::Look found = watch_.look(quotas_, now_unix_ms);
    std::string told;
    for (const QuotaNews& news : found.news) {
      EXPECT_EQ(news.mailbox, kBox);
      EXPECT_EQ(news.use.used_octets, used_octets);
      EXPECT_TRUE(!news.tell || news.note.told_unix_ms == now_unix_ms);
      if (news.tell) told += news.level == QuotaLevel::full ? "full" : "near";
      watch_.kept(news.mailbox, news.note);
      kept_ = news.note;
    }
    EXPECT_LE(found.news.size(), 1u) << "one decision a mailbox";
    EXPECT_TRUE(watch_.look(quotas_, now_unix_ms).news.empty()) << "nothing is said twice";
    return told;
  }

  MailboxQuotas quotas_{1000};
  QuotaWatch watch_{kRules, {}};
  QuotaNote kept_;
};

TEST_F(QuotaWatchTest, TheThresholdIsExact) {
  EXPECT_EQ(look(0), "");
  EXPECT_EQ(look(899), "");
  EXPECT_EQ(look(900), "near");
  EXPECT_EQ(look(999), "");
  EXPECT_EQ(look(1000), "full");
  EXPECT_EQ(look(5000), "");
}

TEST_F(QuotaWatchTest, WhoIsFullAtOnceHearsOfThatOnly) { EXPECT_EQ(look(1200), "full"); }

TEST_F(QuotaWatchTest, WhatIsNotKeptIsFoundAgain) {
  quotas_.set_used(kBox, 950);
  EXPECT_EQ(watch_.look(quotas_, kStart).news.size(), 1u);
  EXPECT_EQ(watch_.look(quotas_, kStart).news.size(), 1u);
}

TEST_F(QuotaWatchTest, ACrossingCountsAgainOnlyBehindTheMargin) {
  EXPECT_EQ(look(900), "near");
  EXPECT_EQ(look(850), "") << "within the margin of 5 %";
  EXPECT_EQ(look(900), "");
  EXPECT_EQ(look(849), "");
  EXPECT_EQ(kept_.level, QuotaLevel::none);
  EXPECT_EQ(watch_.notes_count(), 0u);
  EXPECT_EQ(look(900), "near");
}

TEST_F(QuotaWatchTest, FullHasAMarginToo) {
  EXPECT_EQ(look(1000), "full");
  EXPECT_EQ(look(950), "");
  EXPECT_EQ(look(1000), "");
  EXPECT_EQ(look(949), "");
  EXPECT_EQ(kept_, (QuotaNote{QuotaLevel::near, kStart})) << "still near, and was told so";
  EXPECT_EQ(look(1000), "full");
  EXPECT_EQ(look(100), "");
  EXPECT_EQ(watch_.notes_count(), 0u);
}

TEST_F(QuotaWatchTest, WhatLastsIsSaidAgainAfterTheInterval) {
  EXPECT_EQ(look(900), "near");
  EXPECT_EQ(look(900, kStart + kDayMs - 1), "");
  EXPECT_EQ(look(910, kStart + kDayMs), "near");
  EXPECT_EQ(look(910, kStart + 2 * kDayMs - 1), "");
  EXPECT_EQ(look(870, kStart + 2 * kDayMs), "") << "below the threshold nobody is reminded";
  EXPECT_EQ(look(900, kStart + 2 * kDayMs), "near");
  EXPECT_EQ(look(1000, kStart + 2 * kDayMs), "full");
  EXPECT_EQ(look(960, kStart + 3 * kDayMs), "near") << "the text is that of the moment";
  EXPECT_EQ(look(1000, kStart + 3 * kDayMs), "") << "full was told, and not left";
}

TEST_F(QuotaWatchTest, AClockThatWasSetBackDelaysNothing) {
  EXPECT_EQ(look(900, kStart + 400 * kDayMs), "near");
  EXPECT_EQ(look(900), "near");
  EXPECT_EQ(look(900, kStart + 1), "");
}

TEST_F(QuotaWatchTest, ARestartRepeatsNothing) {
  EXPECT_EQ(look(900), "near");
  watch_ = QuotaWatch(kRules, {{kBox, kept_}});
  EXPECT_EQ(look(900, kStart + 1000), "");
  EXPECT_EQ(look(900, kStart + kDayMs), "near");
}

TEST_F(QuotaWatchTest, ALargerQuotaOrNoneEndsIt) {
  EXPECT_EQ(look(1000), "full");
  quotas_.set_limit(kBox, 1100);
  EXPECT_EQ(look(1000), "") << "near: 1000 of 1100";
  EXPECT_EQ(kept_.level, QuotaLevel::near);
  quotas_.set_limit(kBox, 0);
  EXPECT_EQ(look(1000), "");
  EXPECT_EQ(watch_.notes_count(), 0u);
  quotas_.set_limit(kBox, std::nullopt);
  EXPECT_EQ(look(1000), "full");
  quotas_.remove(kBox);
  for (const QuotaNews& news : watch_.look(quotas_, kStart).news) {
    EXPECT_FALSE(news.tell);
    EXPECT_EQ(news.note.level, QuotaLevel::none);
    watch_.kept(news.mailbox, news.note);
  }
  EXPECT_EQ(watch_.notes_count(), 0u);
}

TEST(QuotaWatch, SettingsSwitchItOff) {
  MailboxQuotas quotas(1000);
  quotas.set_limit(kBox, std::nullopt);
  quotas.set_used(kBox, 1000);
  const QuotaWatch off({.warning_percent = 0, .interval = std::chrono::days(1)}, {});
  EXPECT_TRUE(off.look(quotas, kStart).news.empty());
  EXPECT_EQ(off.look(quotas, kStart).full_count, 1u) << "metrics are kept all the same";
  QuotaWatch once({.warning_percent = 90, .interval = {}}, {});
  ASSERT_EQ(once.look(quotas, kStart).news.size(), 1u);
  once.kept(kBox, {QuotaLevel::full, kStart});
  EXPECT_TRUE(once.look(quotas, kStart + 1000 * kDayMs).news.empty());
  const QuotaWatch hundred({.warning_percent = 100, .interval = {}}, {});
  quotas.set_used(kBox, 999);
  EXPECT_TRUE(hundred.look(quotas, kStart).news.empty());
  quotas.set_used(kBox, 1000);
  EXPECT_EQ(hundred.look(quotas, kStart).news.at(0).level, QuotaLevel::full);
}

TEST(QuotaWatch, ALowThresholdIsLeftWhenTheMailboxIsEmpty) {
  MailboxQuotas quotas(1000);
  quotas.set_limit(kBox, std::nullopt);
  QuotaWatch watch({.warning_percent = 1, .interval = {}}, {{kBox, {QuotaLevel::near, kStart}}});
  quotas.set_used(kBox, 1);
  EXPECT_TRUE(watch.look(quotas, kStart).news.empty());
  quotas.set_used(kBox, 0);
  ASSERT_EQ(watch.look(quotas, kStart).news.size(), 1u);
  EXPECT_FALSE(watch.look(quotas, kStart).news[0].tell);
}

TEST(QuotaWatch, CountsAndFindsAmongMany) {
  MailboxQuotas quotas(1000);
  for (std::uint64_t id = 1; id <= 100'000; ++id) {
    quotas.set_limit(MailboxId{id}, std::nullopt);
    quotas.set_used(MailboxId{id}, id % 1000 == 0 ? 950 : id % 1000 == 1 ? 1000 : 10);
  }
  const QuotaWatch watch(kRules, {});
  const QuotaWatch::Look found = watch.look(quotas, kStart);
  EXPECT_EQ(found.near_count, 100u);
  EXPECT_EQ(found.full_count, 100u);
  EXPECT_EQ(found.news.size(), 200u);
}

}  // namespace
}  // namespace postern::store::testing

// What each mailbox holds is known at every moment: after deliveries, removals, restarts and
// losses. What owners were told is kept together with the telling.
#include <gtest/gtest.h>

#include "store/schema_private.hpp"
#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

const EngineOptions kQuota5000{.mailbox_quota_octets = 5000};
constexpr QuotaNote kToldNear{QuotaLevel::near, 1'795'271'400'000};

std::string octets(std::size_t count) { return std::string(count, 'x'); }

std::uint64_t used(EngineUnderTest& store, MailboxId mailbox) {
  return store.engine().quotas().use_of(mailbox).used_octets;
}

std::uint64_t limit(EngineUnderTest& store, MailboxId mailbox) {
  return store.engine().quotas().use_of(mailbox).limit_octets;
}

std::vector<MailboxNote> notes(EngineUnderTest& store) {
  auto found = store.engine().list_quota_notes();
  EXPECT_TRUE(found.has_value());
  return found ? *found : std::vector<MailboxNote>();
}

ChangeSettings set_quota(const std::string& name, std::uint64_t quota_octets) {
  return {name, {.quota_action = SettingAction::set, .quota_octets = quota_octets}};
}

SpoolOutcome deliver_notice(EngineUnderTest& store, MailboxId mailbox, QuotaNote note) {
  const auto message = make_message({mailbox}, "you were told");
  message->quota_note = note;
  return store.submit(*message);
}

TEST(EngineQuota, UseFollowsDeliveriesAndRemovals) {
  TempDir dir;
  MailboxId ann{}, bob{};
  {
    EngineUnderTest store(dir.path());
    ann = store.add_user("ann@example.net");
    bob = store.add_user("bob@example.net");
    EXPECT_EQ(used(store, ann), 0u);
    ASSERT_EQ(store.deliver({ann}, octets(100)), SpoolOutcome::durable);
    EXPECT_EQ(used(store, ann), 100u) << "known before the client hears of it";
    ASSERT_EQ(store.deliver({ann, bob}, octets(30)), SpoolOutcome::durable);
    ASSERT_EQ(store.deliver({ann}, octets(7)), SpoolOutcome::durable);
    EXPECT_EQ(used(store, ann), 137u);
    EXPECT_EQ(used(store, bob), 30u);
    ASSERT_TRUE(
        store.apply(Expunge{.mailbox = ann, .uids = {{1, 1}, {3, 9}}, .only_deleted = false})
            .has_value());
    EXPECT_EQ(used(store, ann), 30u);
    ASSERT_TRUE(store
                    .apply(StoreFlags{.mailbox = ann,
                                      .uids = {{2, 2}},
                                      .system_flags = static_cast<std::uint16_t>(Flag::seen)})
                    .has_value());
    EXPECT_EQ(used(store, ann), 30u);
  }
  EngineUnderTest again(dir.path());
  EXPECT_EQ(used(again, ann), 30u);
  EXPECT_EQ(used(again, bob), 30u);
}

TEST(EngineQuota, ARestartKnowsMailboxesWithAnyNumberOfChanges) {
  TempDir dir;
  std::vector<MailboxId> inboxes;
  {
    EngineUnderTest store(dir.path());
    for (int user = 0; user < 20; ++user) {
      inboxes.push_back(store.add_user("user" + std::to_string(user) + "@example.net"));
      // Every change leaves a version of the head: from none to more than are stepped over.
      for (int i = 0; i < user; ++i) {
        ASSERT_EQ(store.deliver({inboxes.back()}, octets(10)), SpoolOutcome::durable);
      }
    }
  }
  EngineUnderTest again(dir.path());
  for (std::size_t user = 0; user < inboxes.size(); ++user) {
    EXPECT_EQ(used(again, inboxes[user]), 10 * user) << user;
  }
}

TEST(EngineQuota, ARemovedAccountsMailboxIsForgottenAndANewOneBeginsEmpty) {
  TempDir dir;
  MailboxId first{}, second{};
  {
    EngineUnderTest store(dir.path(), kQuota5000);
    first = store.add_user("ann@example.net");
    ASSERT_EQ(store.deliver({first}, octets(4000)), SpoolOutcome::durable);
    ASSERT_EQ(deliver_notice(store, first, kToldNear), SpoolOutcome::durable);
    EXPECT_EQ(notes(store), (std::vector<MailboxNote>{{first, kToldNear}}));
    ASSERT_TRUE(store.apply(DeleteUser{"ann@example.net"}).has_value());
    EXPECT_EQ(store.engine().quotas().use_of(first), QuotaUse{});
    EXPECT_TRUE(notes(store).empty());
    second = store.add_user("ann@example.net");
    EXPECT_NE(first, second);
    EXPECT_EQ(store.engine().quotas().use_of(second), (QuotaUse{0, 5000}));
    EXPECT_EQ(store.engine().quotas().limited_count(), 1u);
    ASSERT_EQ(store.deliver({second}, octets(20)), SpoolOutcome::durable);
    EXPECT_EQ(store.apply(KeepQuotaNote{first, kToldNear}).error().code, ErrorCode::not_found);
  }
  EngineUnderTest again(dir.path(), kQuota5000);
  EXPECT_EQ(again.engine().quotas().use_of(first), QuotaUse{});
  EXPECT_EQ(again.engine().quotas().use_of(second), (QuotaUse{20, 5000}));
}

TEST(EngineQuota, LimitsAreTheDefaultOrTheAccountsOwnAndChangeAtOnce) {
  TempDir dir;
  MailboxId ann{}, bob{};
  {
    EngineUnderTest store(dir.path(), kQuota5000);
    ann = store.add_user("ann@example.net");
    bob = store.add_user("bob@example.net");
    EXPECT_EQ(limit(store, ann), 5000u);
    ASSERT_TRUE(store.apply(set_quota("ann@example.net", 7000)).has_value());
    EXPECT_EQ(limit(store, ann), 7000u);
    ASSERT_TRUE(store.apply(set_quota("bob@example.net", 0)).has_value());
    EXPECT_EQ(limit(store, bob), 0u);
    // A change of something else leaves it.
    ASSERT_TRUE(store.apply(AddAlias{"ann@example.net", "a@example.net"}).has_value());
    EXPECT_EQ(limit(store, ann), 7000u);
    for (const std::uint64_t wrong : {std::uint64_t{1}, kQuotaOctetsMin - 1, kQuotaOctetsMax + 1}) {
      EXPECT_EQ(store.apply(set_quota("ann@example.net", wrong)).error().code,
                ErrorCode::invalid_argument);
    }
    EXPECT_EQ(limit(store, ann), 7000u);
    EXPECT_TRUE(store.engine().directory()->settings_in_use().empty())
        << "a policy of retention it is not";
  }
  EngineUnderTest again(dir.path(), EngineOptions{.mailbox_quota_octets = 9000});
  EXPECT_EQ(limit(again, ann), 7000u);
  EXPECT_EQ(limit(again, bob), 0u);
  ASSERT_TRUE(again.apply(ChangeSettings{"ann@example.net", {.quota_action = SettingAction::reset}})
                  .has_value());
  EXPECT_EQ(limit(again, ann), 9000u);
}

TEST(EngineQuota, TheEngineItselfRefusesNothing) {
  TempDir dir;
  EngineUnderTest store(dir.path(), kQuota5000);
  const MailboxId ann = store.add_user("ann@example.net");
  for (int i = 1; i <= 3; ++i) {
    ASSERT_EQ(store.deliver({ann}, octets(4000)), SpoolOutcome::durable);
    EXPECT_EQ(used(store, ann), 4000u * static_cast<unsigned>(i));
  }
}

TEST(EngineQuota, NotesComeWithTheirMessageAndStayOverARestart) {
  TempDir dir;
  MailboxId ann{}, bob{};
  const QuotaNote full{QuotaLevel::full, kToldNear.told_unix_ms + 5};
  {
    EngineUnderTest store(dir.path(), kQuota5000);
    ann = store.add_user("ann@example.net");
    bob = store.add_user("bob@example.net");
    EXPECT_TRUE(notes(store).empty());
    ASSERT_EQ(deliver_notice(store, ann, kToldNear), SpoolOutcome::durable);
    ASSERT_EQ(deliver_notice(store, bob, kToldNear), SpoolOutcome::durable);
    ASSERT_EQ(deliver_notice(store, bob, full), SpoolOutcome::durable);
    EXPECT_EQ(notes(store), (std::vector<MailboxNote>{{ann, kToldNear}, {bob, full}}));
  }
  EngineUnderTest again(dir.path(), kQuota5000);
  EXPECT_EQ(notes(again), (std::vector<MailboxNote>{{ann, kToldNear}, {bob, full}}));
  ASSERT_TRUE(again.apply(KeepQuotaNote{bob, kToldNear}).has_value());
  ASSERT_TRUE(again.apply(KeepQuotaNote{ann, {}}).has_value());
  EXPECT_EQ(notes(again), (std::vector<MailboxNote>{{bob, kToldNear}}));
}

TEST(EngineQuota, ANoticeThatIsNotDeliveredIsNotNoted) {
  TempDir dir;
  EngineUnderTest store(dir.path(), kQuota5000);
  store.add_user("ann@example.net");
  EXPECT_EQ(deliver_notice(store, MailboxId{999}, kToldNear), SpoolOutcome::failed);
  EXPECT_TRUE(notes(store).empty());
}

}  // namespace
}  // namespace postern::store::testing

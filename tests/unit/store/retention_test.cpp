// Messages that are too old are found, whatever lies between them, and nothing else is.
#include "store/retention.hpp"

#include <gtest/gtest.h>

#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kNowMs = 1'700'000'000'000;

void deliver_at(EngineUnderTest& store, MailboxId mailbox, std::int64_t age_ms) {
  auto message = make_message({mailbox}, "Subject: aged\r\n\r\ntext\r\n");
  message->arrival_unix_ms = kNowMs - age_ms;
  ASSERT_EQ(store.submit(*message), SpoolOutcome::durable);
}

AccountSettingsChange keep_days(int count) {
  return {.keep_action = SettingAction::set, .keep = std::chrono::days(count)};
}

/// Runs a sweep to its end and applies what it finds; how many messages went.
std::size_t sweep(EngineUnderTest& store, const MailboxPolicy& defaults) {
  RetentionSweep walk(store.engine(), store.engine().directory(), defaults, kNowMs);
  std::size_t removed = 0;
  while (!walk.done()) {
    const auto found = walk.step();
    EXPECT_TRUE(found.has_value());
    if (!found || !*found) continue;
    const auto reply = store.apply(**found);
    EXPECT_TRUE(reply.has_value());
    if (!reply) continue;
    EXPECT_LE(reply->changed_count, kRetentionBatchMessages);
    removed += reply->changed_count;
  }
  return removed;
}

std::vector<Uid> uids_of(const StoreContents& contents, MailboxId mailbox) {
  std::vector<Uid> uids;
  for (const auto& [uid, entry] : contents.mailboxes.at(mailbox).messages) uids.push_back(uid);
  return uids;
}

TEST(Retention, RemovesWhatIsOlderThanEachAccountsPolicy) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId anna = store.add_user("anna@example.net");
  const MailboxId bert = store.add_user("bert@example.net");
  const MailboxId cora = store.add_user("cora@example.net");
  for (const MailboxId mailbox : {anna, bert, cora}) {
    for (const std::int64_t age_ms :
         {40 * kDayMs, 3 * kDayMs, 31 * kDayMs, 30 * kDayMs + 1, 30 * kDayMs, std::int64_t{0}})
      deliver_at(store, mailbox, age_ms);
  }
  ASSERT_TRUE(store.apply(ChangeSettings{"bert@example.net", keep_days(2)}).has_value());
  ASSERT_TRUE(store.apply(ChangeSettings{"cora@example.net", keep_days(0)}).has_value());
  EXPECT_EQ(sweep(store, {.keep = std::chrono::days(30)}), 3u + 5u);
  EXPECT_EQ(sweep(store, {.keep = std::chrono::days(30)}), 0u) << "a second walk finds nothing";
  const auto used = [&store](MailboxId mailbox) {
    return store.engine().quotas().use_of(mailbox).used_octets;
  };
  const std::uint64_t one = used(cora) / 6;
  EXPECT_GT(one, 0u);
  EXPECT_EQ(used(anna), 3 * one) << "what went counts no more";
  EXPECT_EQ(used(bert), one);
  store.close();
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(uids_of(contents, anna), (std::vector<Uid>{2, 5, 6})) << "exactly 30 days is not older";
  EXPECT_EQ(uids_of(contents, bert), std::vector<Uid>{6});
  EXPECT_EQ(uids_of(contents, cora).size(), 6u) << "for ever";
}

TEST(Retention, AnAccountsSettingDoesAlone) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId anna = store.add_user("anna@example.net");
  const MailboxId bert = store.add_user("bert@example.net");
  deliver_at(store, anna, 10 * kDayMs);
  deliver_at(store, bert, 10 * kDayMs);
  EXPECT_EQ(sweep(store, {}), 0u);
  ASSERT_TRUE(store.apply(ChangeSettings{"bert@example.net", keep_days(9)}).has_value());
  EXPECT_EQ(sweep(store, {}), 1u);
}

TEST(Retention, LargeMailboxesGoInBoundedSteps) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId anna = store.add_user("anna@example.net");
  constexpr std::size_t kMessages = 2 * kRetentionBatchMessages + 10;
  std::vector<std::unique_ptr<SpoolRequest>> messages;
  std::size_t old = 0;
  for (std::size_t i = 0; i < kMessages; ++i) {
    messages.push_back(make_message({anna}, "Subject: aged\r\n\r\ntext\r\n"));
    const bool young = i % 7 == 0;
    old += young ? 0 : 1;
    messages.back()->arrival_unix_ms = kNowMs - (young ? kDayMs / 2 : 2 * kDayMs);
    ASSERT_TRUE(store.engine().submit(messages.back().get()));
  }
  ASSERT_TRUE(store.sink().wait_for(kMessages));
  // Newer versions of rows in between: a message is judged once, by what it is now.
  ASSERT_TRUE(store
                  .apply(StoreFlags{.mailbox = anna,
                                    .uids = {{1, 700}},
                                    .system_flags = static_cast<std::uint16_t>(Flag::seen)})
                  .has_value());
  EXPECT_GT(old, kRetentionBatchMessages);
  EXPECT_EQ(sweep(store, {.keep = std::chrono::days(1)}), old);
  store.close();
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(contents.mailboxes.at(anna).messages.size(), kMessages - old);
}

TEST(Retention, AStepLooksAtNoMoreRowsThanItsLimit) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId anna = store.add_user("anna@example.net");
  for (int i = 0; i < 50; ++i) deliver_at(store, anna, i < 40 ? 0 : 2 * kDayMs);
  Uid from = 1;
  std::vector<UidRange> uids;
  int looks = 0;
  for (bool complete = false; !complete; ++looks) {
    const auto found =
        store.engine().find_older(anna, kNowMs - kDayMs, from, {.rows_max = 15, .messages_max = 7});
    ASSERT_TRUE(found.has_value());
    uids.insert(uids.end(), found->uids.begin(), found->uids.end());
    complete = found->complete;
    ASSERT_TRUE(complete || found->next_uid > from);
    from = found->next_uid;
  }
  EXPECT_GE(looks, 4);
  std::size_t count = 0;
  for (const UidRange& range : uids) {
    EXPECT_GE(range.first, 41u);
    count += range.last - range.first + 1;
  }
  EXPECT_EQ(count, 10u);
}

TEST(Retention, AnAccountThatGoesMeanwhileIsNoFault) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId anna = store.add_user("anna@example.net");
  deliver_at(store, anna, 2 * kDayMs);
  RetentionSweep walk(store.engine(), store.engine().directory(), {.keep = std::chrono::days(1)},
                      kNowMs);
  ASSERT_TRUE(store.apply(DeleteUser{"anna@example.net"}).has_value());
  while (!walk.done()) {
    const auto found = walk.step();
    ASSERT_TRUE(found.has_value());
    if (*found) {
      EXPECT_EQ(store.apply(**found).error().code, ErrorCode::not_found);
    }
  }
}

}  // namespace
}  // namespace postern::store::testing

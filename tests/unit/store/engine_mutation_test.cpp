// STORE and EXPUNGE as the store sees them.
#include <gtest/gtest.h>

#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

using Mode = StoreFlags::Mode;

constexpr auto bit(Flag flag) { return static_cast<std::uint16_t>(flag); }
const std::vector<UidRange> kAll = {{1, 0xffffffff}};

class EngineMutation : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = std::make_unique<EngineUnderTest>(dir_.path());
    inbox_ = store_->add_user("ann@example.net");
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(store_->deliver({inbox_}, "message " + std::to_string(i)), SpoolOutcome::durable);
    }
  }
  Result<MutationReply> store_flags(std::vector<UidRange> uids, Mode mode, std::uint16_t flags,
                                    std::vector<std::string> keywords = {},
                                    std::optional<ModSeq> unchanged_since = {}) {
    return store_->apply(StoreFlags{.mailbox = inbox_,
                                    .uids = std::move(uids),
                                    .mode = mode,
                                    .system_flags = flags,
                                    .keywords = std::move(keywords),
                                    .unchanged_since = unchanged_since});
  }
  StoreContents::Mailbox close_and_read() {
    store_->close();
    contents_ = read_store(dir_.path());
    expect_consistent(contents_);
    return contents_.mailboxes.at(inbox_);
  }

  TempDir dir_;
  std::unique_ptr<EngineUnderTest> store_;
  MailboxId inbox_{};
  StoreContents contents_;
};

TEST_F(EngineMutation, AddRemoveReplace) {
  const auto added = store_flags({{1, 2}, {4, 9}}, Mode::add, bit(Flag::seen)).value();
  EXPECT_EQ(added.changed_count, 4u);
  EXPECT_EQ(added.modseq, 7u);  // creation, five arrivals, this
  EXPECT_EQ(added.position, store_->engine().position());
  EXPECT_EQ(store_flags({{2, 2}}, Mode::replace, bit(Flag::flagged))->changed_count, 1u);
  EXPECT_EQ(store_flags({{1, 1}}, Mode::remove, bit(Flag::seen) | bit(Flag::draft))->changed_count,
            1u);
  const auto mailbox = close_and_read();
  EXPECT_EQ(mailbox.messages.at(1).flags.system, 0);
  EXPECT_EQ(mailbox.messages.at(2).flags.system, bit(Flag::flagged));
  EXPECT_EQ(mailbox.messages.at(3).flags.system, 0);
  EXPECT_EQ(mailbox.messages.at(4).flags.system, bit(Flag::seen));
  EXPECT_EQ(mailbox.messages.at(4).modseq, mailbox.messages.at(5).modseq) << "one per mutation";
  EXPECT_EQ(mailbox.head.unseen_count, 3u);
  // One entry a message: its latest change. Arrivals have none.
  const std::vector<std::pair<ModSeq, Uid>> changes = {{7, 4}, {7, 5}, {8, 2}, {9, 1}};
  EXPECT_EQ(mailbox.changes, changes);
}

TEST_F(EngineMutation, NothingChangedWritesNothing) {
  (void)store_flags({{1, 1}}, Mode::add, bit(Flag::seen)).value();
  const StorePosition before = store_->engine().position();
  const auto again = store_flags({{1, 1}}, Mode::add, bit(Flag::seen)).value();
  EXPECT_EQ(again.changed_count, 0u);
  EXPECT_EQ(again.modseq, 7u);
  // A keyword that ends up on no message does not enter the table either.
  EXPECT_EQ(store_flags({{99, 99}}, Mode::add, 0, {"unused"})->changed_count, 0u);
  EXPECT_EQ(store_flags(kAll, Mode::remove, 0, {"never-seen"})->changed_count, 0u);
  EXPECT_EQ(store_->engine().position(), before);
  EXPECT_TRUE(close_and_read().head.keywords.empty());
}

TEST_F(EngineMutation, KeywordsShareATableAndIgnoreCase) {
  (void)store_flags({{1, 1}}, Mode::add, 0, {"$Forwarded", "Work"}).value();
  (void)store_flags({{2, 2}}, Mode::add, 0, {"WORK", "$forwarded", "Home"}).value();
  EXPECT_EQ(store_flags({{2, 2}}, Mode::remove, 0, {"work"})->changed_count, 1u);
  const auto mailbox = close_and_read();
  EXPECT_EQ(mailbox.head.keywords, (std::vector<std::string>{"$Forwarded", "Work", "Home"}));
  EXPECT_EQ(mailbox.messages.at(1).flags.keywords, 0b011u);
  EXPECT_EQ(mailbox.messages.at(2).flags.keywords, 0b101u);
}

TEST_F(EngineMutation, KeywordTableIsLimited) {
  std::vector<std::string> names;
  for (int i = 0; i < 63; ++i) names.push_back("k" + std::to_string(i));
  EXPECT_EQ(store_flags({{1, 1}}, Mode::add, 0, names)->changed_count, 1u);
  const auto over = store_flags({{1, 1}}, Mode::add, bit(Flag::seen), {"a", "b"});
  EXPECT_EQ(over.error().code, ErrorCode::exhausted);
  EXPECT_EQ(store_flags({{1, 1}}, Mode::add, 0, {"a"})->changed_count, 1u);
  EXPECT_EQ(store_flags({{2, 2}}, Mode::add, 0, {"A", "K0"})->changed_count, 1u)
      << "known ones go on";
  const auto mailbox = close_and_read();
  EXPECT_EQ(mailbox.head.keywords.size(), kKeywordsPerMailboxMax);
  EXPECT_FALSE(mailbox.messages.at(1).flags.has(Flag::seen)) << "the refused change left no trace";
  EXPECT_EQ(mailbox.messages.at(1).flags.keywords, ~0ull);
}

TEST_F(EngineMutation, UnchangedSinceReportsWhatItLeft) {
  (void)store_flags({{2, 2}}, Mode::add, bit(Flag::seen)).value();   // modseq 7
  (void)store_flags({{3, 3}}, Mode::add, bit(Flag::draft)).value();  // modseq 8
  const auto reply = store_flags(kAll, Mode::add, bit(Flag::flagged), {}, ModSeq{6}).value();
  EXPECT_EQ(reply.changed_count, 3u);
  EXPECT_EQ(reply.not_applied, (std::vector<UidRange>{{2, 3}}));
  const auto never = store_flags({{1, 5}}, Mode::add, bit(Flag::answered), {}, ModSeq{0}).value();
  EXPECT_EQ(never.changed_count, 0u);
  EXPECT_EQ(never.not_applied, (std::vector<UidRange>{{1, 5}}));
}

TEST_F(EngineMutation, ExpungeOnlyDeletedReleasesBodies) {
  (void)store_flags({{2, 2}, {4, 4}}, Mode::add, bit(Flag::deleted)).value();
  const auto reply = store_->apply(Expunge{.mailbox = inbox_, .uids = kAll}).value();
  EXPECT_EQ(reply.changed_count, 2u);
  EXPECT_EQ(reply.modseq, 8u);
  EXPECT_EQ(store_flags({{2, 2}}, Mode::add, bit(Flag::seen))->changed_count, 0u) << "it is gone";
  EXPECT_EQ(store_->apply(Expunge{.mailbox = inbox_, .uids = {{1, 1}}, .only_deleted = false})
                ->changed_count,
            1u);
  ASSERT_EQ(store_->deliver({inbox_}, "later"), SpoolOutcome::durable);
  store_->close();
  {
    EngineUnderTest drain(dir_.path());
  }  // deletions that were still waiting happen at the next start
  contents_ = read_store(dir_.path());
  expect_consistent(contents_);
  const auto& mailbox = contents_.mailboxes.at(inbox_);
  EXPECT_EQ(mailbox.expunged, (std::set<Uid>{1, 2, 4}));
  EXPECT_TRUE(mailbox.messages.contains(6)) << "uids are not reused";
  EXPECT_EQ(contents_.bodies.size(), 3u);
}

TEST_F(EngineMutation, SharedBodyStaysUntilTheLastReferenceIsGone) {
  const MailboxId bob = store_->add_user("bob@example.net");
  const auto request = make_message({inbox_, bob}, std::string(kBodyChunkOctets + 5, 's'));
  ASSERT_EQ(store_->submit(*request), SpoolOutcome::durable);
  const auto expunge = [&](MailboxId mailbox, Uid uid) {
    return store_->apply(Expunge{.mailbox = mailbox, .uids = {{uid, uid}}, .only_deleted = false})
        ->changed_count;
  };
  EXPECT_EQ(expunge(inbox_, 6), 1u);
  store_->close();
  EXPECT_TRUE(read_store(dir_.path()).bodies.contains(request->body));
  store_ = std::make_unique<EngineUnderTest>(dir_.path());
  EXPECT_EQ(expunge(bob, 1), 1u);
  EXPECT_EQ(expunge(bob, 1), 0u);
  store_->close();
  {
    EngineUnderTest drain(dir_.path());
  }
  contents_ = read_store(dir_.path());
  expect_consistent(contents_);
  EXPECT_FALSE(contents_.bodies.contains(request->body));
  for (const std::string& key : contents_.meta_keys) EXPECT_NE(key[0], 'd') << "still on the list";
}

TEST_F(EngineMutation, SameKeyGivesTheFirstAnswer) {
  const Mutation mutation{
      .key_high = 1,
      .key_low = 2,
      .body = StoreFlags{
          .mailbox = inbox_, .uids = {{1, 3}}, .mode = Mode::add, .system_flags = bit(Flag::seen)}};
  const auto first = store_->apply(mutation).value();
  EXPECT_EQ(first.changed_count, 3u);
  (void)store_flags({{1, 3}}, Mode::remove, bit(Flag::seen)).value();
  const auto again = store_->apply(mutation).value();
  EXPECT_EQ(again.changed_count, 3u);
  EXPECT_EQ(again.modseq, first.modseq);
  EXPECT_EQ(again.position, first.position);
  EXPECT_FALSE(close_and_read().messages.at(1).flags.has(Flag::seen)) << "it was not applied twice";
}

TEST_F(EngineMutation, MutationsOfOneGroupSeeEachOther) {
  // Sent without waiting, so that several share a group; whatever the grouping, the result is the
  // same.
  std::vector<std::future<Result<MutationReply>>> replies;
  const auto send = [&](MutationBody body, std::uint64_t key) {
    auto promise = std::make_shared<std::promise<Result<MutationReply>>>();
    replies.push_back(promise->get_future());
    store_->engine().apply(Mutation{.key_high = 5, .key_low = key, .body = std::move(body)},
                           [promise](Result<MutationReply> reply) { promise->set_value(reply); });
  };
  const auto flags = [&](Mode mode, Flag flag, std::vector<std::string> keywords = {}) {
    return StoreFlags{.mailbox = inbox_,
                      .uids = {{1, 2}},
                      .mode = mode,
                      .system_flags = bit(flag),
                      .keywords = std::move(keywords)};
  };
  for (std::uint64_t i = 0; i < 50; ++i) {
    send(flags(Mode::add, Flag::flagged), 10 * i);
    send(flags(Mode::remove, Flag::flagged), 10 * i + 1);
    send(flags(Mode::remove, Flag::flagged), 10 * i + 1);  // the same key
  }
  send(flags(Mode::add, Flag::deleted, {"Last"}), 1001);
  send(Expunge{.mailbox = inbox_, .uids = kAll}, 1002);
  send(flags(Mode::add, Flag::seen), 1003);
  std::vector<std::uint32_t> changed;
  for (auto& reply : replies) changed.push_back(reply.get()->changed_count);
  for (std::size_t i = 0; i < 150; ++i) EXPECT_EQ(changed[i], 2u) << i;
  EXPECT_EQ(changed[150], 2u);
  EXPECT_EQ(changed[151], 2u);
  EXPECT_EQ(changed[152], 0u);
  store_->close();
  {
    EngineUnderTest drain(dir_.path());
  }
  contents_ = read_store(dir_.path());
  expect_consistent(contents_);
  EXPECT_EQ(contents_.mailboxes.at(inbox_).messages.size(), 3u);
  EXPECT_EQ(contents_.mailboxes.at(inbox_).head.highest_modseq, 6u + 100u + 2u);
}

TEST_F(EngineMutation, BadRequestsAreRefused) {
  EXPECT_EQ(store_flags({{3, 2}}, Mode::add, 1).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_flags({{1, 3}, {3, 4}}, Mode::add, 1).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_flags({{0, 3}}, Mode::add, 1).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_flags({{1, 1}}, Mode::add, 0x8000).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_flags({{1, 1}}, Mode::add, 0, {""}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store_flags({{1, 1}}, Mode::add, 0, {std::string(200, 'k')}).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(store_->apply(Expunge{.mailbox = MailboxId{999}, .uids = kAll}).error().code,
            ErrorCode::not_found);
  EXPECT_EQ(store_->apply(StoreFlags{.mailbox = MailboxId{0}, .uids = kAll}).error().code,
            ErrorCode::not_found);
  EXPECT_EQ(close_and_read().head.highest_modseq, 6u);
}

}  // namespace
}  // namespace postern::store::testing

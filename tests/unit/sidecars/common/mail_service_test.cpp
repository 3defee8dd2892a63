// What a session is answered when the workers are busy, or the gateway is not there.
#include <gtest/gtest.h>

#include "tests/unit/sidecars/common/service_harness.hpp"

namespace postern::sidecars::test {
namespace {

using namespace store::rpc;

using MailServiceTest = ServiceHarness;

template <class Reply>
const Reply& only_reply(const TestClient& client) {
  EXPECT_EQ(client.session->replies.size(), 1u);
  return std::get<Reply>(client.session->replies.at(0));
}

TEST_F(MailServiceTest, ReadsComeFromTheStore) {
  start_with_gateway();
  TestClient client = connect();
  client.ask(SnapshotRequest{kInbox});
  ASSERT_TRUE(turn_until([this] { return gateway->answer<Subscribe>(PositionReply{}); }));
  ASSERT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
  const auto& reply = only_reply<SnapshotReply>(client);
  ASSERT_TRUE(reply.snapshot.has_value()) << reply.snapshot.error().message;
  EXPECT_EQ((*reply.snapshot)->size(), 1u);
}

// One worker at work, one job waiting: there is no room for another read.
struct BusyWorkersTest : ServiceHarness {
  void SetUp() override {
    ServiceHarness::SetUp();
    start(1);
    blocked = std::make_unique<BlockedWorker>(*workers);
    ASSERT_TRUE(workers->submit([] {}));
  }
  void TearDown() override {
    blocked->release();
    ServiceHarness::TearDown();
  }
  TestClient ask(MailRequest request) {
    TestClient client = connect();
    client.ask(std::move(request));
    EXPECT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
    return client;
  }
  std::unique_ptr<BlockedWorker> blocked;
};

TEST_F(BusyWorkersTest, EveryRangeOfARefusedReadIsUnavailable) {
  BodiesRequest request;
  for (std::uint64_t body = 1; body <= 3; ++body) {
    request.ranges.push_back({.body = store::BodyId{body}, .offset = 0, .length = 10});
  }
  const TestClient client = ask(request);
  const auto& reply = only_reply<BodiesReply>(client);
  ASSERT_EQ(reply.parts.size(), 3u);
  for (const auto& part : reply.parts) {
    ASSERT_FALSE(part.has_value());
    EXPECT_EQ(part.error().code, ErrorCode::unavailable);
  }
}

TEST_F(BusyWorkersTest, OtherRefusedReadsAreUnavailable) {
  const TestClient snapshot = ask(SnapshotRequest{kInbox});
  EXPECT_EQ(only_reply<SnapshotReply>(snapshot).snapshot.error().code, ErrorCode::unavailable);
  const TestClient head = ask(HeadRequest{kInbox});
  EXPECT_EQ(only_reply<HeadReply>(head).head.error().code, ErrorCode::unavailable);
  const TestClient folders = ask(FoldersRequest{store::AccountId{1}});
  EXPECT_EQ(only_reply<FoldersReply>(folders).folders.error().code, ErrorCode::unavailable);
}

TEST_F(MailServiceTest, AChangeThatWasMadeIsToldThoughTheWorkersAreBusy) {
  start_with_gateway(1);
  BlockedWorker blocked(*workers);
  ASSERT_TRUE(workers->submit([] {}));
  TestClient client = connect();
  client.ask(MutateRequest{store::Expunge{.mailbox = kInbox, .uids = {{1, 1}}}});
  ASSERT_TRUE(turn_until([this] {
    return gateway->answer<Mutate>(store::MutationReply{.position = 1, .changed_count = 1});
  }));
  ASSERT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
  const auto& done = only_reply<MutationDone>(client);
  ASSERT_TRUE(done.reply.has_value());
  EXPECT_EQ(done.reply->changed_count, 1u);
  blocked.release();
}

// The view could not be brought up to the gateway: without another try nothing would ever be asked.
TEST_F(BusyWorkersTest, AHelloThatFindsNoWorkerIsTriedAgain) {
  open_gateway();
  ASSERT_TRUE(turn_until([this] { return gateway->connections >= 2; }));
  EXPECT_FALSE(service->ready());
  blocked->release();
  EXPECT_TRUE(turn_until([this] { return service->ready(); }));
}

TEST_F(MailServiceTest, WithoutAGatewayThePolicyIsUnknownAtOnce) {
  start();
  TestClient client = connect();
  client.ask(PolicyRequest{});
  const MonoTime asked = read_clocks().mono;
  ASSERT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
  EXPECT_LT(read_clocks().mono - asked, std::chrono::seconds(2));
  EXPECT_EQ(only_reply<PolicyReply>(client).policy.error().code, ErrorCode::unavailable);
}

TEST_F(MailServiceTest, WithAGatewayThePolicyIsAsked) {
  start_with_gateway();
  TestClient client = connect();
  client.ask(PolicyRequest{});
  ASSERT_TRUE(turn_until([this] {
    return gateway->answer<StrictestPolicy>(
        StrictestPolicyReply{.policy = {.keep = std::chrono::hours(24)}, .differs_by_user = true});
  }));
  ASSERT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
  const auto& reply = only_reply<PolicyReply>(client);
  ASSERT_TRUE(reply.policy.has_value());
  EXPECT_EQ(reply.policy->strictest.keep, std::chrono::hours(24));
}

}  // namespace
}  // namespace postern::sidecars::test

// LOGIN-DELAY counts the logins that clients got: the gateway is told about the others.
#include <gtest/gtest.h>

#include "tests/unit/sidecars/common/service_harness.hpp"

namespace postern::sidecars::test {
namespace {

using namespace store::rpc;

struct LoginTest : ServiceHarness {
  static constexpr store::AccountId kAnna{5};

  /// Asks for a login and gives the attempt that the gateway sees.
  std::uint64_t begin(TestClient& client) {
    client.ask(LoginRequest{"anna", "secret"});
    std::uint64_t id = 0;
    std::uint64_t attempt = 0;
    EXPECT_TRUE(turn_until([&] {
      const Authenticate* asked = gateway->waiting<Authenticate>(id);
      if (asked != nullptr) attempt = asked->attempt;
      return asked != nullptr;
    }));
    EXPECT_NE(attempt, 0u);
    return attempt;
  }
  void admit(bool delay_began = true) {
    EXPECT_TRUE(
        gateway->answer<Authenticate>(AuthenticateReply{.outcome = AuthenticateReply::Outcome::ok,
                                                        .account = kAnna,
                                                        .name = "anna",
                                                        .inbox = kInbox,
                                                        .delay_began = delay_began}));
  }
  /// Lets the session open `mailbox` when its login is answered.
  void open_mailbox(TestClient& client, store::MailboxId mailbox) {
    client.session->then = SnapshotRequest{mailbox};
    admit();
    EXPECT_TRUE(turn_until([this] { return gateway->answer<Subscribe>(PositionReply{}); }));
    EXPECT_TRUE(turn_until([&] { return client.session->replies.size() == 2; }));
  }
  void expect_undone(std::uint64_t attempt) {
    std::uint64_t id = 0;
    const LoginUndone* undone = nullptr;
    ASSERT_TRUE(turn_until([&] {
      undone = gateway->waiting<LoginUndone>(id);
      return undone != nullptr;
    }));
    EXPECT_EQ(undone->account, kAnna);
    EXPECT_EQ(undone->attempt, attempt);
    EXPECT_EQ(gateway->count<LoginUndone>(), 1u);
  }
  /// Whatever was said before has arrived by then.
  void expect_nothing_undone() {
    TestClient other = connect();
    other.ask(PolicyRequest{});
    ASSERT_TRUE(turn_until([this] { return gateway->count<StrictestPolicy>() == 1; }));
    EXPECT_EQ(gateway->count<LoginUndone>(), 0u);
    gateway->answer<StrictestPolicy>(StrictestPolicyReply{});
    ASSERT_TRUE(turn_until([&] { return !other.session->replies.empty(); }));
  }
};

TEST_F(LoginTest, AClientInItsMailboxHasLoggedIn) {
  start_with_gateway();
  TestClient client = connect();
  begin(client);
  open_mailbox(client, kInbox);
  ASSERT_TRUE(std::get<SnapshotReply>(client.session->replies[1]).snapshot.has_value());
  expect_nothing_undone();
  client.ask(SnapshotRequest{store::MailboxId{99}});  // another mailbox, long after
  ASSERT_TRUE(turn_until([this] { return gateway->answer<Subscribe>(PositionReply{}); }));
  ASSERT_TRUE(turn_until([&] { return client.session->replies.size() == 3; }));
  expect_nothing_undone();
}

TEST_F(LoginTest, AMailboxThatCannotBeOpenedUndoesTheLogin) {
  start_with_gateway();
  TestClient client = connect();
  const std::uint64_t attempt = begin(client);
  open_mailbox(client, store::MailboxId{99});
  ASSERT_FALSE(std::get<SnapshotReply>(client.session->replies[1]).snapshot.has_value());
  expect_undone(attempt);
}

TEST_F(LoginTest, AClientThatIsGoneUndoesTheLogin) {
  start_with_gateway();
  TestClient client = connect();
  const std::uint64_t attempt = begin(client);
  client.socket.reset();  // with an unread greeting: a reset
  for (int turn = 0; turn < 20; ++turn) loop->turn(std::chrono::milliseconds(1));
  admit();
  expect_undone(attempt);
}

TEST_F(LoginTest, AnAnswerThatComesTooLateUndoesTheLogin) {
  timing.call = std::chrono::milliseconds(200);
  timing.tick = std::chrono::milliseconds(50);
  start_with_gateway();
  TestClient client = connect();
  const std::uint64_t attempt = begin(client);
  ASSERT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
  EXPECT_EQ(std::get<LoginReply>(client.session->replies[0]).outcome,
            LoginReply::Outcome::unavailable);
  admit();
  expect_undone(attempt);
}

TEST_F(LoginTest, WithoutADelayThereIsNothingToUndo) {
  start_with_gateway();
  TestClient client = connect();
  begin(client);
  client.session->then = SnapshotRequest{store::MailboxId{99}};
  admit(false);
  ASSERT_TRUE(turn_until([this] { return gateway->answer<Subscribe>(PositionReply{}); }));
  ASSERT_TRUE(turn_until([&] { return client.session->replies.size() == 2; }));
  expect_nothing_undone();
}

// The gateway answers a resent login by its attempt: the one that began the delay is not too soon.
TEST_F(LoginTest, ALoginThatIsSentAgainKeepsItsAttempt) {
  start_with_gateway();
  TestClient client = connect();
  const std::uint64_t attempt = begin(client);
  gateway->drop_connection();
  std::uint64_t id = 0;
  const Authenticate* again = nullptr;
  ASSERT_TRUE(turn_until([&] {
    again = gateway->waiting<Authenticate>(id);
    return again != nullptr;
  }));
  EXPECT_EQ(again->attempt, attempt);
  admit();
  ASSERT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
  expect_nothing_undone();
}

}  // namespace
}  // namespace postern::sidecars::test

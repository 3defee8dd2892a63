#include <algorithm>
#include <gtest/gtest.h>

#include "store/octet_codec.hpp"
#include "store/rpc/service_session.hpp"
#include "tests/unit/store/rpc_peer.hpp"
#include "tests/unit/store/rpc_samples.hpp"

namespace postern::store::rpc {
namespace {

using test::framed;
using test::Peer;

ErrorCode only_error(const std::vector<Message>& messages, std::uint64_t id) {
  EXPECT_EQ(messages.size(), 1u);
  const auto& reply = std::get<Reply>(messages.at(0));
  EXPECT_EQ(reply.id, id);
  EXPECT_FALSE(reply.body.has_value());
  return reply.body ? ErrorCode::io : reply.body.error().code;
}

TEST(RpcServiceSession, WaitsSilentlyForHello) {
  Peer peer;
  EXPECT_TRUE(peer.sent().empty());
  ASSERT_TRUE(peer.session.output().deadline.has_value());
  EXPECT_EQ(*peer.session.output().deadline - peer.now.mono, kHelloTimeout);
  peer.hello();
  EXPECT_FALSE(peer.session.output().deadline.has_value());
  EXPECT_EQ(peer.session.client(), "test");
}

TEST(RpcServiceSession, ClosesWithoutHelloInTime) {
  Peer peer;
  peer.session.on_deadline(peer.now);
  EXPECT_TRUE(peer.session.output().close);
  EXPECT_EQ(only_error(peer.sent(), 0), ErrorCode::unavailable);
}

TEST(RpcServiceSession, AnswersInAnyOrder) {
  Peer peer;
  peer.hello();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    peer.feed(framed(Request{id, Authenticate{.user = "u" + std::to_string(id)}}));
  }
  std::vector<Request> taken;
  while (auto request = peer.session.take_request()) taken.push_back(std::move(*request));
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(std::get<Authenticate>(taken[2].body).user, "u3");
  EXPECT_EQ(peer.session.outstanding(), 3u);
  for (const std::uint64_t id : {2, 3, 1}) {
    peer.session.reply(id, AuthenticateReply{.position = id * 10});
  }
  const auto messages = peer.sent();
  ASSERT_EQ(messages.size(), 3u);
  std::vector<std::uint64_t> order;
  for (const Message& message : messages) {
    const auto& reply = std::get<Reply>(message);
    order.push_back(reply.id);
    EXPECT_EQ(std::get<AuthenticateReply>(*reply.body).position, reply.id * 10);
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{2, 3, 1}));
  EXPECT_EQ(peer.session.outstanding(), 0u);
}

TEST(RpcServiceSession, TakesFramesSplitAtEveryOctet) {
  std::string stream = framed(Request{Peer::kHelloId, Hello{.client = "test"}});
  std::size_t expected = 1;
  for (const Message& message : test::sample_messages()) {
    const auto* request = std::get_if<Request>(&message);
    if (request == nullptr || std::holds_alternative<Hello>(request->body)) continue;
    stream += framed(*request);
    const auto& body = request->body;
    expected += !std::holds_alternative<Ping>(body) && !std::holds_alternative<Unsubscribe>(body) &&
                !std::holds_alternative<ViewPosition>(body);
  }
  for (std::size_t split = 0; split <= stream.size(); ++split) {
    Peer peer;
    peer.feed(std::string_view(stream).substr(0, split));
    peer.feed(std::string_view(stream).substr(split));
    std::size_t count = 0;
    while (peer.session.take_request()) ++count;
    ASSERT_EQ(count, expected) << split;
    ASSERT_FALSE(peer.session.output().close);
    ASSERT_EQ(peer.session.view_position(), StorePosition{123456789});
  }
}

TEST(RpcServiceSession, ClosesOnWhatIsNotThisProtocol) {
  const std::string hello = framed(Request{Peer::kHelloId, Hello{}});
  std::string oversized;
  append_be(oversized, static_cast<std::uint32_t>(kFrameOctetsMax + 1));
  const std::string second_use = framed(Request{7, QueueList{1}});
  const std::vector<std::string> streams = {
      "GET / HTTP/1.1\r\n\r\n",
      hello + oversized,
      framed(Request{1, Ping{}}),                   // before Hello
      hello + framed(Request{2, Hello{}}),          // twice
      hello + framed(Reply{1, ReplyBody(Done{})}),  // a reply from a client
      hello + framed(Changed{}),
      hello + second_use + second_use,  // an id in use
  };
  for (const std::string& stream : streams) {
    Peer peer;
    peer.feed(stream);
    EXPECT_TRUE(peer.session.output().close) << stream;
    EXPECT_EQ(only_error(peer.sent(), 0), ErrorCode::corrupted);
    EXPECT_FALSE(peer.session.take_request().has_value());
    peer.session.reply(7, Done{});  // an answer that comes too late is nobody's
    EXPECT_TRUE(peer.sent().empty());
  }
}

TEST(RpcServiceSession, TellsAnotherVersionWhatIsWrong) {
  Peer peer;
  peer.feed(framed(Request{1, Hello{.protocol_version = kProtocolVersion + 1}}));
  EXPECT_TRUE(peer.session.output().close);
  EXPECT_EQ(only_error(peer.sent(), 0), ErrorCode::unsupported);
}

TEST(RpcServiceSession, RefusesWithoutTheRight) {
  for (const Message& message : test::sample_messages()) {
    const auto* request = std::get_if<Request>(&message);
    if (request == nullptr) continue;
    const auto& body = request->body;
    if (std::holds_alternative<Hello>(body) || std::holds_alternative<Ping>(body)) continue;
    Peer nobody{Rights{}};
    nobody.hello();
    nobody.feed(framed(*request));
    EXPECT_FALSE(nobody.session.take_request().has_value());
    EXPECT_FALSE(nobody.session.view_position().has_value());
    EXPECT_EQ(nobody.session.subscription_count(), 0u);
    const auto messages = nobody.sent();
    if (request->id == 0) {
      EXPECT_TRUE(messages.empty());
    } else {
      EXPECT_EQ(only_error(messages, request->id), ErrorCode::permission_denied);
    }
    EXPECT_FALSE(nobody.session.output().close);
  }
}

TEST(RpcServiceSession, SidecarIsNoAdministrator) {
  Peer sidecar{Rights{.mailboxes = true}};
  sidecar.hello();
  sidecar.feed(framed(Request{1, UserList{"", 5}}));
  EXPECT_EQ(only_error(sidecar.sent(), 1), ErrorCode::permission_denied);
  sidecar.feed(framed(Request{2, Authenticate{}}));
  EXPECT_TRUE(sidecar.session.take_request().has_value());
}

TEST(RpcServiceSession, PassesOnOnlySubscribedChanges) {
  Peer peer;
  peer.hello();
  peer.session.notify(Changed{MailboxId{1}, 1, 1});
  EXPECT_TRUE(peer.sent().empty());
  peer.feed(framed(Request{1, Subscribe{MailboxId{1}}}));
  // In force before the driver answers: nothing is lost between its position and the first change.
  EXPECT_TRUE(peer.session.watches(MailboxId{1}));
  peer.session.notify(Changed{MailboxId{2}, 5, 5});
  peer.session.notify(Changed{MailboxId{1}, 2, 2});
  auto messages = peer.sent();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(std::get<Changed>(messages[0]), (Changed{MailboxId{1}, 2, 2}));
  peer.session.reply(1, PositionReply{1});
  peer.drain();
  peer.feed(framed(Request{2, Unsubscribe{MailboxId{1}}}));
  peer.drain();
  (void)peer.sent();
  peer.session.notify(Changed{MailboxId{1}, 3, 3});
  EXPECT_TRUE(peer.sent().empty());
}

TEST(RpcServiceSession, CoalescesChangesWhileThePeerDoesNotRead) {
  Peer peer;
  peer.hello();
  for (std::uint64_t i = 1; i <= 10; ++i) {
    peer.feed(framed(Request{i, Subscribe{MailboxId{i}}}));
    peer.session.reply(i, PositionReply{});
  }
  (void)peer.sent();  // taken by the transport, not yet through the socket
  for (std::uint64_t modseq = 1; modseq <= 10'000; ++modseq) {
    peer.session.notify(Changed{MailboxId{1 + modseq % 10}, modseq, modseq});
  }
  EXPECT_TRUE(peer.session.output().bytes.empty());
  EXPECT_EQ(peer.session.pending_changes(), 10u);
  peer.drain();
  const auto messages = peer.sent();
  ASSERT_EQ(messages.size(), 10u);
  for (const Message& message : messages) {
    EXPECT_GT(std::get<Changed>(message).modseq, 9'990u);
  }
  EXPECT_EQ(peer.session.pending_changes(), 0u);
}

TEST(RpcServiceSession, SendsManyChangesInTurns) {
  Peer peer;
  peer.hello();
  const std::size_t mailboxes = kChangesPerTurn * 2 + 5;
  for (std::uint64_t i = 1; i <= mailboxes; ++i) {
    peer.feed(framed(Request{i, Subscribe{MailboxId{i}}}));
    peer.session.reply(i, PositionReply{});
    if (i % 100 == 0) peer.drain();
  }
  (void)peer.sent();
  for (std::uint64_t i = 1; i <= mailboxes; ++i) peer.session.notify(Changed{MailboxId{i}, 1, 1});
  EXPECT_EQ(peer.session.pending_changes(), mailboxes);
  std::size_t seen = 0;
  for (int turn = 0; turn < 4; ++turn) {
    peer.session.on_output_sent(peer.now);
    EXPECT_LE(peer.session.output().bytes.size(), kChangesPerTurn * 38);
    seen += peer.sent().size();
  }
  EXPECT_EQ(seen, mailboxes);
}

TEST(RpcServiceSession, BoundsSubscriptions) {
  Peer peer;
  peer.hello();
  for (std::uint64_t i = 1; i <= kSubscriptionsMax; ++i) {
    peer.feed(framed(Request{i, Subscribe{MailboxId{i}}}));
    (void)peer.session.take_request();
    peer.session.reply(i, PositionReply{});
    if (i % 1000 == 0) peer.drain(), (void)peer.sent();
  }
  peer.drain();
  (void)peer.sent();
  peer.feed(framed(Request{1, Subscribe{MailboxId{kSubscriptionsMax + 1}}}));
  EXPECT_EQ(only_error(peer.sent(), 1), ErrorCode::exhausted);
  peer.feed(framed(Request{2, Subscribe{MailboxId{1}}}));  // watched already
  EXPECT_TRUE(peer.session.take_request().has_value());
}

TEST(RpcServiceSession, TakesNoMoreThanItMayOwe) {
  Peer peer;
  peer.hello();
  std::string stream;
  for (std::uint64_t id = 1; id <= kOutstandingMax + 10; ++id) {
    stream += framed(Request{id, StrictestPolicy{}});
  }
  peer.feed(stream);
  EXPECT_EQ(peer.session.outstanding(), kOutstandingMax);
  EXPECT_FALSE(peer.input.empty());
  peer.session.reply(1, StrictestPolicyReply{});
  peer.offer();
  EXPECT_EQ(peer.session.outstanding(), kOutstandingMax);
  for (std::uint64_t id = 2; id <= kOutstandingMax; ++id) {
    peer.session.reply(id, StrictestPolicyReply{});
  }
  peer.drain();
  EXPECT_EQ(peer.session.outstanding(), 10u);
  EXPECT_TRUE(peer.input.empty());
}

// Logins under penalty wait for seconds. Nobody else's request does.
TEST(RpcServiceSession, WaitingLoginsHoldNothingElseUp) {
  Peer peer;
  peer.hello();
  const std::string password(1000, 'p');
  std::string stream;
  for (std::uint64_t id = 1; id <= kLoginsOutstandingMax; ++id) {
    stream += framed(Request{id, Authenticate{.user = "ann", .password = password}});
  }
  ASSERT_GT(stream.size(), kOutstandingOctetsMax);
  peer.feed(stream);
  peer.feed(framed(Request{90'000, Subscribe{MailboxId{5}}}));
  EXPECT_TRUE(peer.input.empty());
  std::optional<Request> last;
  std::size_t logins = 0;
  while (auto request = peer.session.take_request()) {
    logins += std::holds_alternative<Authenticate>(request->body) ? 1 : 0;
    last = std::move(request);
  }
  EXPECT_EQ(logins, kLoginsOutstandingMax);
  ASSERT_TRUE(last.has_value());
  EXPECT_TRUE(std::holds_alternative<Subscribe>(last->body)) << "a login's snapshot";
}

TEST(RpcServiceSession, OneLoginTooManyIsRefusedAtOnce) {
  Peer peer;
  peer.hello();
  for (std::uint64_t id = 1; id <= kLoginsOutstandingMax + 1; ++id) {
    peer.feed(framed(Request{id, Authenticate{}}));
  }
  EXPECT_EQ(only_error(peer.sent(), kLoginsOutstandingMax + 1), ErrorCode::exhausted);
  EXPECT_EQ(peer.session.outstanding(), kLoginsOutstandingMax);
  peer.session.reply(7, AuthenticateReply{});
  (void)peer.sent();
  peer.feed(framed(Request{7, Authenticate{}}));
  EXPECT_EQ(peer.session.outstanding(), kLoginsOutstandingMax);
  EXPECT_TRUE(peer.sent().empty());
}

TEST(RpcServiceSession, BoundsTheOctetsOfWaitingRequests) {
  Peer peer;
  peer.hello();
  std::vector<UidRange> uids(kUidRangesMax);
  for (std::size_t i = 0; i < uids.size(); ++i) {
    uids[i].first = uids[i].last = static_cast<Uid>(2 * i + 1);
  }
  for (std::uint64_t id = 1; id <= 10; ++id) {
    peer.feed(
        framed(Request{id, Mutate{{.body = Expunge{.mailbox = MailboxId{1}, .uids = uids}}}}));
  }
  EXPECT_LE(peer.session.outstanding(), kOutstandingOctetsMax / (kUidRangesMax * 8) + 1);
  EXPECT_GE(peer.session.outstanding(), 2u);
  EXPECT_FALSE(peer.input.empty());
}

TEST(RpcServiceSession, StopsReadingWhileThePeerDoesNotRead) {
  Peer peer;
  peer.hello();
  std::string pings;
  for (std::uint64_t id = 1; id <= 100'000; ++id) pings += framed(Request{id, Ping{}});
  peer.feed(pings);
  EXPECT_LT(peer.session.output().bytes.size(), kOutputHighOctets + 100);
  EXPECT_FALSE(peer.input.empty());
  std::size_t answers = 0;
  for (int i = 0; i < 100 && answers < 100'000; ++i) {
    answers += peer.sent().size();
    peer.drain();
  }
  EXPECT_EQ(answers, 100'000u);
}

TEST(RpcServiceSession, AReplyTooLargeBecomesAnError) {
  Peer peer;
  peer.hello();
  peer.feed(framed(Request{1, UserList{"", 1000}}));
  const UserEntry heavy{.aliases = std::vector<std::string>(1000, std::string(1024, 'a'))};
  peer.session.reply(1, UserListReply{std::vector<UserEntry>(5, heavy), false});
  EXPECT_EQ(only_error(peer.sent(), 1), ErrorCode::exhausted);
}

TEST(RpcServiceSession, ShutdownAnswersFirst) {
  Peer peer;
  peer.hello();
  peer.feed(framed(Request{1, Authenticate{}}));
  peer.session.on_shutdown(peer.now);
  EXPECT_FALSE(peer.session.output().close);
  peer.feed(framed(Request{2, Authenticate{}}));
  EXPECT_FALSE(peer.input.empty());
  peer.session.reply(1, AuthenticateReply{});
  EXPECT_TRUE(peer.session.output().close);
  EXPECT_EQ(peer.sent().size(), 1u);
}

TEST(RpcServiceSession, EndOfInputWithNothingOwedCloses) {
  Peer peer;
  peer.hello();
  peer.session.on_end_of_input(peer.now);
  EXPECT_TRUE(peer.session.output().close);
}

}  // namespace
}  // namespace postern::store::rpc

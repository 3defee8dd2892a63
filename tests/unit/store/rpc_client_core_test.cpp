#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

#include "store/rpc/client_core.hpp"
#include "tests/unit/store/rpc_peer.hpp"

namespace postern::store::rpc {
namespace {

using test::framed;
using test::Peer;

TEST(RpcClientCore, TalksToTheServiceOctetByOctet) {
  Peer peer;
  ClientCore client("pop3");
  EXPECT_FALSE(client.hello().has_value());
  const auto login = client.send(Authenticate{.user = "ann"});
  const auto ping = client.send(Ping{});
  ASSERT_TRUE(login.has_value() && ping.has_value());
  EXPECT_EQ(client.outstanding(), (std::vector<std::uint64_t>{*login, *ping}));
  for (const char c : std::exchange(client.output(), {})) peer.feed({&c, 1});
  while (auto request = peer.session.take_request()) {
    if (std::holds_alternative<Hello>(request->body)) {
      peer.session.reply(request->id, HelloReply{.gateway_epoch = 77, .store_path = "/s"});
    } else {
      peer.session.reply(request->id, AuthenticateReply{.name = "ann@example.org"});
    }
  }
  for (const char c : std::exchange(peer.session.output().bytes, {})) {
    ASSERT_TRUE(client.on_input({&c, 1}).has_value());
  }
  ASSERT_TRUE(client.hello().has_value());
  EXPECT_EQ(client.hello()->gateway_epoch, 77u);
  EXPECT_TRUE(client.outstanding().empty());
  const auto events = client.take_events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<Reply>(events[0]).id, *ping);  // answered on the spot
  EXPECT_EQ(std::get<AuthenticateReply>(*std::get<Reply>(events[1]).body).name, "ann@example.org");
  EXPECT_EQ(peer.session.client(), "pop3");
}

TEST(RpcClientCore, RefusesWhatWasNotAsked) {
  const std::vector<Message> wrong = {
      Reply{99, ReplyBody(Done{})},  // nobody asked
      Reply{1, ReplyBody(Done{})},   // Hello is answered with HelloReply
      Request{5, Ping{}},            // a service does not ask
      Reply{0, fail(ErrorCode::corrupted, "bye")},
  };
  for (const Message& message : wrong) {
    ClientCore client("imap");
    const Result<void> fed = client.on_input(framed(message));
    ASSERT_FALSE(fed.has_value());
    EXPECT_EQ(fed.error().code, ErrorCode::corrupted);
  }
}

TEST(RpcClientCore, AFieldBeyondItsLimitIsNotQueued) {
  ClientCore client("imap");
  const std::size_t before = client.output().size();
  const auto sent = client.send(Authenticate{.user = std::string(kNameOctetsMax + 1, 'u')});
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(client.output().size(), before);
  EXPECT_TRUE(client.outstanding().empty());
}

}  // namespace
}  // namespace postern::store::rpc

// The link to the gateway: calls that are given up, gateways that hang, and those that come back.
#include "sidecars/common/store_link.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "tests/unit/sidecars/common/fake_gateway.hpp"
#include "tests/unit/store/row_store.hpp"

namespace postern::sidecars::test {
namespace {

using namespace store::rpc;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A call may take twenty ticks; a gateway is asked after three silent ones and gone after eight.
constexpr LinkTiming kTiming{
    .call = milliseconds(1000), .tick = milliseconds(50), .ping_ticks = 3, .silent_ticks_max = 8};

struct StoreLinkTest : testing::Test {
  void start(LinkTiming timing = kTiming) {
    auto made = EventLoop::create({.receive_buffers = 16, .receive_buffer_octets = 4096});
    ASSERT_TRUE(made) << made.error().message;
    loop = std::move(*made);
    gateway = std::make_unique<FakeGateway>(path());
    link = std::make_unique<StoreLink>(*loop, path(), "test",
                                       StoreLink::Events{.on_hello =
                                                             [this](const HelloReply&) {
                                                               ++hellos;
                                                               link->ready();
                                                             },
                                                         .on_changed = [](const Changed&) {},
                                                         .on_lost = [this] { ++losses; }},
                                       timing);
    link->start();
    ASSERT_TRUE(turn_until([this] { return link->is_ready(); }));
  }
  void TearDown() override {
    if (!link) return;
    link->stop();
    turn_until([this] { return link->closed(); });
  }
  std::string path() const { return folder.path() + "/service"; }
  bool turn_until(const std::function<bool()>& done, Duration limit = seconds(10)) {
    const MonoTime end = read_clocks().mono + limit;
    while (!done()) {
      if (read_clocks().mono > end) return false;
      loop->turn(milliseconds(1));
      gateway->turn();
    }
    return true;
  }
  void turn_for(Duration time) {
    const MonoTime end = read_clocks().mono + time;
    turn_until([&] { return read_clocks().mono > end; });
  }
  void login(const std::string& user, StoreLink::Answer late = {}) {
    link->call(
        Authenticate{.user = user},
        [this, user](const Result<ReplyBody>& reply) {
          answers.push_back(user + (reply ? " ok" : " unavailable"));
        },
        std::move(late));
  }

  store::test::TemporaryFolder folder;
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<FakeGateway> gateway;
  std::unique_ptr<StoreLink> link;
  std::vector<std::string> answers;
  int hellos = 0;
  int losses = 0;
};

TEST_F(StoreLinkTest, AnOverdueCallIsGivenUpAlone) {
  start();
  login("slow");
  ASSERT_TRUE(turn_until([this] { return gateway->count<Authenticate>() == 1; }));
  std::uint64_t slow = 0;
  ASSERT_NE(gateway->waiting<Authenticate>(slow), nullptr);
  turn_for(milliseconds(500));
  login("quick");
  ASSERT_TRUE(turn_until([this] { return !answers.empty(); }));
  EXPECT_EQ(answers, std::vector<std::string>{"slow unavailable"});
  gateway->asked.pop_front();
  ASSERT_TRUE(gateway->answer<Authenticate>(AuthenticateReply{})) << "the younger call goes on";
  ASSERT_TRUE(turn_until([this] { return answers.size() == 2; }));
  EXPECT_EQ(answers.back(), "quick ok");
  // The reply that comes too late is nobody's, and no reason to leave.
  gateway->reply(slow, AuthenticateReply{});
  login("next");
  ASSERT_TRUE(turn_until([this] { return gateway->answer<Authenticate>(AuthenticateReply{}); }));
  ASSERT_TRUE(turn_until([this] { return answers.size() == 3; }));
  EXPECT_EQ(answers.back(), "next ok");
  EXPECT_EQ(losses, 0);
  EXPECT_EQ(gateway->connections, 1u) << "one link all the time";
}

TEST_F(StoreLinkTest, WhoAsksForItHearsTheLateReply) {
  start();
  std::vector<std::string> late;
  login("slow", [&](const Result<ReplyBody>& reply) {
    late.push_back(reply ? std::get<AuthenticateReply>(*reply).name : "error");
  });
  ASSERT_TRUE(turn_until([this] { return !answers.empty(); }));
  EXPECT_TRUE(late.empty());
  ASSERT_TRUE(gateway->answer<Authenticate>(AuthenticateReply{.name = "ann"}));
  ASSERT_TRUE(turn_until([&] { return !late.empty(); }));
  EXPECT_EQ(late, std::vector<std::string>{"ann"});
  EXPECT_EQ(answers.size(), 1u);
}

TEST_F(StoreLinkTest, AGatewayThatAnswersPingsIsThere) {
  start();
  login("slow");
  turn_for(milliseconds(1500));  // far beyond the silence that a gateway is allowed
  EXPECT_EQ(answers, std::vector<std::string>{"slow unavailable"});
  EXPECT_EQ(losses, 0);
  EXPECT_EQ(gateway->connections, 1u);
}

TEST_F(StoreLinkTest, AGatewayThatHangsCostsTheLinkAndTheCallIsSentAgain) {
  start({.call = seconds(20), .tick = milliseconds(20), .ping_ticks = 3, .silent_ticks_max = 8});
  login("ann");
  ASSERT_TRUE(turn_until([this] { return gateway->count<Authenticate>() == 1; }));
  gateway->silent = true;
  ASSERT_TRUE(turn_until([this] { return gateway->connections == 2; }));
  EXPECT_EQ(losses, 1);
  EXPECT_TRUE(answers.empty());
  gateway->silent = false;
  ASSERT_TRUE(turn_until([this] { return gateway->answer<Authenticate>(AuthenticateReply{}); }));
  ASSERT_TRUE(turn_until([this] { return !answers.empty(); }));
  EXPECT_EQ(answers, std::vector<std::string>{"ann ok"});
  EXPECT_EQ(hellos, 2);
}

TEST_F(StoreLinkTest, AGatewayThatNeverSaysHelloIsGivenUp) {
  start();
  gateway->silent = true;
  gateway->drop_connection();
  ASSERT_TRUE(turn_until([this] { return gateway->connections == 2; }));
  ASSERT_TRUE(turn_until([this] { return gateway->connections == 3; })) << "another try";
  EXPECT_EQ(hellos, 1);
}

}  // namespace
}  // namespace postern::sidecars::test

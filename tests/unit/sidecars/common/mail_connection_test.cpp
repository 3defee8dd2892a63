// Who the client is: to the log always itself, to the gateway's penalties only when it has any.
#include <gtest/gtest.h>

#include "tests/unit/runtime/test_certificate.hpp"
#include "tests/unit/sidecars/common/service_harness.hpp"

namespace postern::sidecars::test {
namespace {

using namespace store::rpc;

using MailConnectionTest = ServiceHarness;

PeerFacts peer(bool trusted) {
  PeerFacts facts;
  facts.address = "192.0.2.7";
  facts.trusted = trusted;
  return facts;
}

TEST_F(MailConnectionTest, ABadHandshakeIsLoggedWithItsAddressFromTrustedNetworksToo) {
  start();
  const postern::test::Certificate certificate;
  const TlsSlot slot = postern::test::slot_of(certificate);
  for (const bool trusted : {false, true}) {
    const TestClient client = connect(peer(trusted), {.tls = &slot, .implicit_tls = true});
    ASSERT_EQ(::send(client.socket.get(), "NOOP\r\n", 6, MSG_NOSIGNAL), 6);
    ASSERT_TRUE(turn_until([&] { return tls.failed.size() == (trusted ? 2u : 1u); }));
    EXPECT_EQ(tls.failed.back(), "192.0.2.7");
  }
}

TEST_F(MailConnectionTest, TrustedNetworksHaveNoPenalties) {
  start_with_gateway();
  for (const bool trusted : {false, true}) {
    TestClient client = connect(peer(trusted));
    client.ask(LoginRequest{"ann", "secret"});
    std::uint64_t id = 0;
    const Authenticate* asked = nullptr;
    ASSERT_TRUE(turn_until([&] {
      asked = gateway->waiting<Authenticate>(id);
      return asked != nullptr;
    }));
    EXPECT_EQ(asked->client_address, trusted ? "" : "192.0.2.7");
    gateway->answer<Authenticate>(AuthenticateReply{});
    ASSERT_TRUE(turn_until([&] { return !client.session->replies.empty(); }));
  }
}

}  // namespace
}  // namespace postern::sidecars::test

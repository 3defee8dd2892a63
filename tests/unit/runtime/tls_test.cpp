// The server's TLS: certificates by name, versions, tickets across contexts and key periods, client
// certificates.
#include "runtime/tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/runtime/test_certificate.hpp"

namespace postern {
namespace {

using testing::HasSubstr;
using Mode = ClientCertificateMode;

constexpr Duration kHour = std::chrono::hours(1);

std::shared_ptr<TlsContext> context_of(const TlsMaterial& material,
                                       const TicketKeyring& tickets = TicketKeyring::make(kHour)) {
  auto context = TlsContext::make(material, tickets);
  EXPECT_TRUE(context) << (context ? "" : context.error().message);
  return context ? *context : nullptr;
}

TlsMaterial material_of(std::vector<TlsMaterial::Pair> pairs) {
  TlsMaterial material;
  material.pairs = std::move(pairs);
  return material;
}

/// One connection's handshake, to its end or its failure.
struct Handshake {
  Handshake(std::shared_ptr<TlsContext> context, test::TlsClient& client, Mode mode = Mode::none)
      : pipe(std::move(context), mode) {
    for (int turn = 0; turn < kTurns; ++turn) {
      pipe.feed(client.step(to_client));
      to_client.clear();
      if (pipe.state() == TlsPipe::State::handshaking) pipe.handshake(to_client);
      if (pipe.state() == TlsPipe::State::open) {
        std::string clear;
        pipe.read(clear, 1000, to_client);
        if (turn != kTurns - 1) continue;
        pipe.write("done", to_client);
        client.step(std::exchange(to_client, {}));
      }
    }
    // A TLS 1.3 client is done before the server has seen its certificate.
    open = client.connected() && pipe.state() == TlsPipe::State::open && client.clear() == "done";
  }
  static constexpr int kTurns = 10;  // more than any handshake takes
  TlsPipe pipe;
  std::string to_client;
  bool open = false;
};

/// The common name of the certificate that a client which asks for `host` is shown.
std::string shown_to(const std::shared_ptr<TlsContext>& context, const char* host,
                     const char* algorithms = nullptr) {
  test::TlsClient client;
  if (host != nullptr) SSL_set_tlsext_host_name(client.ssl(), host);
  if (algorithms != nullptr) SSL_set1_sigalgs_list(client.ssl(), algorithms);
  const Handshake handshake(context, client);
  EXPECT_TRUE(handshake.open) << handshake.pipe.error();
  EXPECT_EQ(handshake.pipe.facts().server_name, host == nullptr ? "" : host);
  return client.server_common_name();
}

TEST(TlsNames, ExactNamesBeforeWildcardsOfOneLabel) {
  TlsNames names;
  names.add("*.Example.org", 1);
  names.add("mail.example.org", 2);
  names.add("mail.example.org", 3);
  names.add("mail.example.org", 2);
  EXPECT_THAT(names.find("MAIL.example.ORG."), testing::ElementsAre(2, 3));
  EXPECT_THAT(names.find("www.example.org"), testing::ElementsAre(1));
  EXPECT_THAT(names.find("a.b.example.org"), testing::IsEmpty());
  EXPECT_THAT(names.find("example.org"), testing::IsEmpty());
  EXPECT_THAT(names.find(".example.org"), testing::IsEmpty());
  EXPECT_THAT(names.find(""), testing::IsEmpty());
}

TEST(TlsContext, CertificateByName) {
  const test::Identity fallback({.common_name = "fallback"});
  const test::Identity one({.common_name = "one", .alternative_names = "DNS:one.example.org"});
  const test::Identity wild({.common_name = "wild", .alternative_names = "DNS:*.example.net"});
  const test::Identity plain({.common_name = "plain.example.com"});
  const test::Identity named({.common_name = "named"});
  const auto context = context_of(material_of(
      {fallback.pair(), one.pair(), wild.pair(), plain.pair(), named.pair({"x.test"})}));
  EXPECT_EQ(shown_to(context, nullptr), "fallback");
  EXPECT_EQ(shown_to(context, "nobody.example.org"), "fallback");
  EXPECT_EQ(shown_to(context, "ONE.example.org"), "one");
  EXPECT_EQ(shown_to(context, "any.example.net"), "wild");
  EXPECT_EQ(shown_to(context, "a.b.example.net"), "fallback");
  EXPECT_EQ(shown_to(context, "plain.example.com"), "plain.example.com");
  EXPECT_EQ(shown_to(context, "x.test"), "named");
}

TEST(TlsContext, TwoKeyTypesForOneName) {
  const test::Identity ec({.common_name = "ec", .alternative_names = "DNS:a.test"});
  const test::Identity rsa({.common_name = "rsa", .alternative_names = "DNS:a.test", .rsa = true});
  const test::Identity other({.common_name = "other"});
  const auto context = context_of(material_of({other.pair(), ec.pair(), rsa.pair()}));
  EXPECT_EQ(shown_to(context, "a.test"), "ec");
  EXPECT_EQ(shown_to(context, "a.test", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"), "rsa");
}

TEST(TlsContext, Versions) {
  const test::Identity identity;
  TlsMaterial material = material_of({identity.pair()});
  const auto version_with = [](const std::shared_ptr<TlsContext>& context, int version) {
    test::TlsClient client;
    SSL_set_min_proto_version(client.ssl(), static_cast<std::uint16_t>(TLS1_VERSION));
    SSL_set_max_proto_version(client.ssl(), static_cast<std::uint16_t>(version));
    const Handshake handshake(context, client);
    return handshake.open ? handshake.pipe.facts().version : "";
  };
  const auto both = context_of(material);
  EXPECT_EQ(version_with(both, TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(version_with(both, TLS1_2_VERSION), "TLSv1.2");
  EXPECT_EQ(version_with(both, TLS1_1_VERSION), "");
  material.tls_1_3_only = true;
  const auto newest = context_of(material);
  EXPECT_EQ(version_with(newest, TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(version_with(newest, TLS1_2_VERSION), "");
}

TEST(TlsContext, KnowsWhenTheFirstCertificateExpires) {
  const test::Identity one;
  const std::int64_t in_an_hour = read_clocks().unix_ms / 1000 + 3600;
  EXPECT_NEAR(static_cast<double>(context_of(material_of({one.pair()}))->expires_unix_seconds()),
              static_cast<double>(in_an_hour), 60);
}

TEST(TlsContext, BrokenFilesAreErrorsThatNameThem) {
  const test::Identity one;
  const test::Identity two;
  const auto error_of = [](const TlsMaterial& material) {
    auto context = TlsContext::make(material, TicketKeyring{});
    EXPECT_FALSE(context);
    return context ? std::string() : context.error().message;
  };
  TlsMaterial::Pair mixed = one.pair();
  mixed.key_pem = two.key_pem();
  EXPECT_THAT(error_of(material_of({mixed})), HasSubstr("private key file key.pem"));
  TlsMaterial::Pair cut = one.pair();
  cut.certificate_pem.resize(cut.certificate_pem.size() / 2);
  EXPECT_THAT(error_of(material_of({one.pair(), cut})), HasSubstr("certificate file cert.pem"));
  TlsMaterial::Pair tail = one.pair();
  tail.certificate_pem += "-----BEGIN CERTIFICATE-----\nAAAA\n";
  EXPECT_THAT(error_of(material_of({tail})), HasSubstr("certificate file cert.pem"));
  TlsMaterial authorities = material_of({one.pair()});
  authorities.client_ca_file = "ca.pem";
  authorities.client_ca_pem = "nothing";
  EXPECT_THAT(error_of(authorities), HasSubstr("authorities' file ca.pem"));
  EXPECT_THAT(error_of({}), HasSubstr("no certificate"));
}

/// Versions differ in how tickets work.
class TlsTickets : public testing::TestWithParam<int> {
 protected:
  /// Connects, with `ticket` if there is one; whether it was taken, and the new ticket.
  bool connect(const std::shared_ptr<TlsContext>& context, Mode mode = Mode::none,
               const char* host = nullptr) {
    test::TlsClient client;
    SSL_set_max_proto_version(client.ssl(), static_cast<std::uint16_t>(GetParam()));
    if (host != nullptr) SSL_set_tlsext_host_name(client.ssl(), host);
    if (shown_ != nullptr) client.show(*shown_);
    if (ticket_ != nullptr) client.resume(ticket_);
    const Handshake handshake(context, client, mode);
    EXPECT_TRUE(handshake.open) << handshake.pipe.error();
    if (client.session() != nullptr) ticket_ = client.session();
    facts_ = handshake.pipe.facts();
    return client.resumed();
  }

  const test::Identity identity_;
  const TlsMaterial material_ = material_of({identity_.pair()});
  const test::Identity* shown_ = nullptr;
  std::shared_ptr<SSL_SESSION> ticket_;
  TlsFacts facts_;
};

TEST_P(TlsTickets, AreTakenByEveryContextWithTheKeys) {
  const TicketKeyring ring = TicketKeyring::make(kHour);
  EXPECT_FALSE(connect(context_of(material_, ring)));
  ASSERT_NE(ticket_, nullptr);
  EXPECT_TRUE(connect(context_of(material_, ring)));
  EXPECT_FALSE(connect(context_of(material_, TicketKeyring::make(kHour))));
}

TEST_P(TlsTickets, LiveForTwoPeriods) {
  TicketKeyring ring = TicketKeyring::make(kHour);
  const auto context = context_of(material_, ring);
  EXPECT_FALSE(connect(context));
  const auto first = ticket_;
  ring = ring.rotated();
  context->set_tickets(ring);
  EXPECT_TRUE(connect(context)) << "one period later";
  ASSERT_NE(ticket_, first) << "a new ticket with the new keys comes along";
  const auto second = ticket_;
  ring = ring.rotated();
  context->set_tickets(ring);
  EXPECT_TRUE(connect(context)) << "the new ticket is one period old";
  ticket_ = first;
  EXPECT_FALSE(connect(context)) << "two periods later";
  // What the client is told of its life; TLS 1.3's must be kept to, 1.2's is a hint.
  const SSL_SESSION* const told = second.get();
  EXPECT_LE(GetParam() == TLS1_3_VERSION ? SSL_SESSION_get_timeout(told)
                                         : SSL_SESSION_get_ticket_lifetime_hint(told),
            3600u);
}

TEST_P(TlsTickets, AreNotMadeWithoutALifetime) {
  const auto context = context_of(material_, TicketKeyring::make(Duration::zero()));
  EXPECT_FALSE(connect(context));
  EXPECT_FALSE(connect(context));
}

TEST_P(TlsTickets, CarryTheClientsCertificateAndNothingMore) {
  const test::Identity authority({.common_name = "authority", .authority = true});
  const test::Identity joe({.common_name = "joe",
                            .alternative_names = "DNS:x,email:joe@example.org,email:b@example.org",
                            .issuer = &authority});
  TlsMaterial material = material_of(
      {identity_.pair(), test::Identity({.common_name = "second"}).pair({"second.test"})});
  material.client_ca_pem = authority.certificate_pem();
  const TicketKeyring ring = TicketKeyring::make(kHour);
  const auto context = context_of(material, ring);
  for (const char* host : {static_cast<const char*>(nullptr), "second.test"}) {
    ticket_.reset();
    shown_ = nullptr;
    // A ticket of a listener that does not ask is worth nothing where a certificate is required.
    EXPECT_FALSE(connect(context, Mode::none, host));
    shown_ = &joe;
    EXPECT_FALSE(connect(context, Mode::require, host));
    EXPECT_TRUE(facts_.client_verified);
    EXPECT_EQ(facts_.client_name, "joe@example.org");
    EXPECT_TRUE(connect(context, Mode::require, host));
    EXPECT_TRUE(facts_.client_verified);
    EXPECT_EQ(facts_.client_certificate, "CN=joe");
    EXPECT_EQ(facts_.client_name, "joe@example.org");
    // Nor under other authorities.
    TlsMaterial others = material;
    others.client_ca_pem += identity_.certificate_pem();
    EXPECT_FALSE(connect(context_of(others, ring), Mode::require, host));
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsTickets, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

class TlsClientCertificates : public testing::Test {
 protected:
  void SetUp() override {
    TlsMaterial material = material_of({server_.pair()});
    material.client_ca_pem = authority_.certificate_pem();
    context_ = context_of(material);
  }
  const test::Identity server_;
  const test::Identity authority_{{.common_name = "authority", .authority = true}};
  const test::Identity good_{{.common_name = "good", .issuer = &authority_}};
  const test::Identity stranger_{
      {.common_name = "stranger", .alternative_names = "email:boss@example.org"}};
  std::shared_ptr<TlsContext> context_;
};

TEST_F(TlsClientCertificates, NoneIsNotAskedFor) {
  test::TlsClient client;
  client.show(good_);
  const Handshake handshake(context_, client, Mode::none);
  EXPECT_TRUE(handshake.open);
  EXPECT_EQ(handshake.pipe.facts().client_certificate, "");
}

TEST_F(TlsClientCertificates, RequestTakesWhateverComesAndSaysWhatItWas) {
  test::TlsClient without;
  const Handshake nothing(context_, without, Mode::request);
  EXPECT_TRUE(nothing.open);
  EXPECT_EQ(nothing.pipe.facts().client_certificate, "");
  EXPECT_FALSE(nothing.pipe.facts().client_verified);

  test::TlsClient unknown;
  unknown.show(stranger_);
  const Handshake bad(context_, unknown, Mode::request);
  EXPECT_TRUE(bad.open) << bad.pipe.error();
  EXPECT_EQ(bad.pipe.facts().client_certificate, "CN=stranger");
  EXPECT_FALSE(bad.pipe.facts().client_verified);
  EXPECT_EQ(bad.pipe.facts().client_name, "");

  test::TlsClient known;
  known.show(good_);
  const Handshake good(context_, known, Mode::request);
  EXPECT_TRUE(good.open);
  EXPECT_EQ(good.pipe.facts().client_certificate, "CN=good");
  EXPECT_TRUE(good.pipe.facts().client_verified);
}

TEST_F(TlsClientCertificates, RequireTakesOnlyWhatIsSigned) {
  test::TlsClient without;
  EXPECT_FALSE(Handshake(context_, without, Mode::require).open);
  test::TlsClient unknown;
  unknown.show(stranger_);
  const Handshake bad(context_, unknown, Mode::require);
  EXPECT_FALSE(bad.open);
  EXPECT_EQ(bad.pipe.state(), TlsPipe::State::failed);
  test::TlsClient known;
  known.show(good_);
  EXPECT_TRUE(Handshake(context_, known, Mode::require).open);
}

}  // namespace
}  // namespace postern

// Relations between keys, and warnings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/config/load.hpp"

namespace postern::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> problems_of(std::string_view text) {
  const LoadResult loaded = parse(text, "/etc/p.toml");
  std::vector<std::string> out;
  if (loaded) return out;
  for (const ConfigProblem& problem : loaded.error()) out.push_back(describe(problem));
  return out;
}

// Lines 1 to 3 of most cases here.
const std::string kRelay =
    "[[gateway.listener]]\nrole = \"relay\"\naddresses = [\"127.0.0.1:1\"]\n";

TEST(CrossChecks, InactivityMustBeBelowTheConnectionTimer) {  // SMTP-05
  EXPECT_THAT(problems_of(kRelay + "connection_timeout = \"1min\"\n"),
              ElementsAre("/etc/p.toml:4:22: gateway.listener.connection_timeout: "
                          "inactivity_timeout (1min) must be smaller than connection_timeout "
                          "(1min); make one of them fit the other"));
  EXPECT_THAT(problems_of(kRelay + "connection_timeout = 61\n"), IsEmpty());
  EXPECT_THAT(problems_of(kRelay + "connection_timeout = 10\ninactivity_timeout = 20\n"),
              ElementsAre(HasSubstr("p.toml:5:22: ")));
}

TEST(CrossChecks, AFaultyValueIsNotReportedTwice) {
  EXPECT_THAT(problems_of(kRelay + "connection_timeout = 99\ninactivity_timeout = \"x\"\n"),
              ElementsAre(HasSubstr("\"x\" is not a duration")));
  EXPECT_THAT(problems_of("[runtime]\nreceive_buffers = 3\n"),
              ElementsAre(HasSubstr("is 3, allowed is 16 to 32768")));
}

TEST(CrossChecks, ReceiveBuffersArePowerOfTwo) {
  EXPECT_THAT(problems_of("[runtime]\nreceive_buffers = 1000\n"),
              ElementsAre("/etc/p.toml:2:19: runtime.receive_buffers: is not a power of two; "
                          "write 512, 1024, 2048 ..."));
}

TEST(CrossChecks, AddressSyntax) {
  EXPECT_THAT(problems_of("[[gateway.listener]]\n"
                          "addresses = [\"127.0.0.1:1\",\n"
                          "  \"localhost:25\",\n"
                          "  \"::1:25\", \"127.0.0.1\"]\n"),
              ElementsAre(HasSubstr("p.toml:3:3: gateway.listener.addresses: 'localhost' is not a "
                                    "numeric IPv4 or IPv6 address; write \"127.0.0.1:25\""),
                          HasSubstr("p.toml:4:3: gateway.listener.addresses: '::1:25' has an IPv6 "
                                    "address without brackets"),
                          HasSubstr("p.toml:4:13: gateway.listener.addresses: '127.0.0.1' has no "
                                    "port")));
  EXPECT_THAT(problems_of("[metrics]\nlisten = \"9125\"\n"),
              ElementsAre(HasSubstr("p.toml:2:10: metrics.listen: '9125' has no port")));
}

TEST(CrossChecks, MetricsEndpointsAreDistinct) {
  EXPECT_THAT(problems_of("[metrics]\nlisten = \"127.0.0.1:1\"\nlisten_pop3 = \"127.0.0.1:1\"\n"),
              ElementsAre(HasSubstr("p.toml:3:15: metrics.listen_pop3: two processes cannot have "
                                    "one endpoint")));
}

TEST(CrossChecks, ListenerNeedsAnAddress) {
  EXPECT_THAT(problems_of("\n[[imap.listener]]\ntls = \"none\"\n"),
              ElementsAre("/etc/p.toml:2:1: imap.listener.addresses: is missing; write for "
                          "example: addresses = [\"127.0.0.1:2025\"]"));
  EXPECT_THAT(problems_of("[[imap.listener]]\naddresses = []\n"),
              ElementsAre(HasSubstr("p.toml:2:13: imap.listener.addresses: is an empty list")));
}

TEST(CrossChecks, AddressListenedOnTwice) {
  EXPECT_THAT(problems_of("[[gateway.listener]]\naddresses = [\"[::1]:1\"]\n"
                          "[[pop3.listener]]\naddresses = [\"[0::1]:1\"]\n"),
              ElementsAre("/etc/p.toml:4:14: pop3.listener.addresses: \"[0::1]:1\" is listened on "
                          "twice, also in gateway.listener; remove one of them or change its "
                          "port"));
}

TEST(CrossChecks, ListenerNamesAreUnique) {
  EXPECT_THAT(problems_of("[[gateway.listener]]\nname = \"a\"\naddresses = [\"127.0.0.1:1\"]\n"
                          "[[gateway.listener]]\nname = \"a\"\naddresses = [\"127.0.0.1:2\"]\n"),
              ElementsAre("/etc/p.toml:5:8: gateway.listener.name: \"a\" is the name of another "
                          "listener too; give each listener a name of its own"));
  EXPECT_THAT(
      problems_of("[[gateway.listener]]\nname = \"a b\"\naddresses = [\"127.0.0.1:1\"]\n"),
      ElementsAre(HasSubstr("p.toml:2:8: gateway.listener.name: is not a listener's name")));
}

TEST(CrossChecks, AuthThatNobodyCanPass) {
  EXPECT_THAT(problems_of(kRelay + "auth_required = true\n"),
              ElementsAre(HasSubstr(
                  "p.toml:4:17: gateway.listener.auth_required: auth_required = true with "
                  "auth = false")));
  EXPECT_THAT(problems_of(kRelay + "auth = true\nauth_required = true\ntls = \"none\"\n"),
              ElementsAre(HasSubstr("p.toml:6:7: gateway.listener.tls: auth_required = true "
                                    "without TLS")));
  EXPECT_THAT(
      problems_of(kRelay + "auth = true\nauth_required = true\ntls = \"none\"\nauth_plaintext = "
                           "true\n"),
      IsEmpty());
}

TEST(CrossChecks, CertificateAndKeyBelongTogether) {
  EXPECT_THAT(problems_of("[tls]\nkey = \"k.pem\"\n"),
              ElementsAre(HasSubstr("p.toml:2:7: tls.key: certificate and key belong "
                                    "together")));
}

TEST(CrossChecks, Networks) {
  EXPECT_THAT(problems_of(kRelay + "allow = [\"192.0.2.1/24\"]\n"),
              ElementsAre(HasSubstr("gateway.listener.allow: '192.0.2.1/24' has bits behind its "
                                    "prefix: the network is 192.0.2.0/24")));
  EXPECT_THAT(problems_of(kRelay + "deny = [\"example.org\"]\ntrusted = [\"::/129\"]\n"),
              ElementsAre(HasSubstr("deny: 'example.org' is neither an address nor a network"),
                          HasSubstr("trusted: '::/129' has no prefix length from 0 to 128")));
  EXPECT_THAT(problems_of(kRelay + "allow = []\ndeny = [\"::1\", \"10.0.0.0/8\"]\n"), IsEmpty());
}

TEST(CrossChecks, ProxyProtocolNeedsItsProxies) {
  EXPECT_THAT(problems_of(kRelay + "proxy_protocol = true\n"),
              ElementsAre(HasSubstr("proxy_protocol = true and no proxy_from")));
  EXPECT_THAT(problems_of(kRelay + "proxy_protocol = true\nproxy_from = [\"10.0.0.1\"]\n"),
              IsEmpty());
}

TEST(CrossChecks, TrustedRelayNeedsTrustedNetworks) {
  EXPECT_THAT(problems_of(kRelay + "trusted_relay = true\n"),
              ElementsAre(HasSubstr("trusted_relay = true without trusted networks")));
}

TEST(CrossChecks, UsersAndMechanisms) {
  EXPECT_THAT(problems_of(kRelay + "users = [\"joe\", \"@\"]\nauth_mechanisms = [\"GSSAPI\"]\n"),
              ElementsAre(HasSubstr("auth_mechanisms: is not a mechanism this server has"),
                          HasSubstr("users: is neither an account nor a domain"),
                          HasSubstr("users: is neither an account nor a domain")));
  EXPECT_THAT(problems_of(kRelay + "users = [\"joe@a.org\", \"@b.org\"]\n"), IsEmpty());
  EXPECT_THAT(problems_of(kRelay + "auth_mechanisms = []\n"),
              ElementsAre(HasSubstr("auth_mechanisms: is an empty list")));
}

TEST(CrossChecks, ClientCertificatesNeedAnAuthority) {
  EXPECT_THAT(problems_of(kRelay + "client_certificates = \"require\"\n"),
              ElementsAre(HasSubstr("client_ca in [tls] is not set")));
  EXPECT_THAT(problems_of("[tls]\nclient_ca = \"ca.pem\"\n" + kRelay +
                          "client_certificates = \"request\"\n"),
              IsEmpty());
}

TEST(CrossChecks, MoreCertificates) {
  EXPECT_THAT(problems_of("[[tls.certificates]]\ncertificate = \"c\"\n"),
              testing::Contains(HasSubstr("certificate and key belong together")));
  EXPECT_THAT(problems_of("[[tls.certificates]]\ncertificate = \"c\"\nkey = \"k\"\n"),
              ElementsAre(HasSubstr("without certificate and key")));
}

TEST(CrossChecks, Hostname) {
  for (const std::string name : {"", "a b", "-a", ".a", "a..b", "a_b", "münchen"}) {
    EXPECT_THAT(problems_of("hostname = \"" + name + "\"\n"),
                ElementsAre(HasSubstr("p.toml:1:12: hostname: is not a host name")))
        << name;
  }
  EXPECT_THAT(problems_of("hostname = \"mx-1.example.org\"\n"), IsEmpty());
}

TEST(CrossChecks, SocketPathThatIsTooLong) {
  const std::string folder = "/" + std::string(100, 's');
  EXPECT_THAT(problems_of("\nstate = \"" + folder + "\"\n"),
              ElementsAre(HasSubstr("p.toml:2:9: state: the Unix socket's path has 114 octets, the "
                                    "system allows 107: " +
                                    folder)));
  EXPECT_THAT(problems_of("state = \"" + folder + "\"\n[store]\nsocket = \"/run/p.sock\"\n"),
              IsEmpty());
}

TEST(Warnings, TlsListenersWithoutACertificate) {
  EXPECT_THAT(warnings(*parse("", "p.toml")),
              ElementsAre("no certificate: listeners with implicit TLS are not opened "
                          "(submissions, pop3s, imaps); set certificate and key in [tls]",
                          "no certificate: listeners that require TLS serve nobody (submission); "
                          "set certificate and key in [tls]"));
  EXPECT_THAT(warnings(*parse("[tls]\ncertificate = \"c\"\nkey = \"k\"\n", "p.toml")), IsEmpty());
}

TEST(MachineProblems, NameThePathAndTheReason) {
  const auto settings =
      parse("state = \"/dev/null/x\"\n[tls]\ncertificate = \"c.pem\"\nkey = \"/dev/null\"\n",
            "/nonexistent/p.toml");
  ASSERT_TRUE(settings);
  EXPECT_THAT(machine_problems(*settings),
              ElementsAre(HasSubstr("tls.certificate: /nonexistent/c.pem: No such file"),
                          HasSubstr("state: /dev/null is not a folder")));
}

}  // namespace
}  // namespace postern::config

// Defaults, and that what is written is what is read.
#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

#include "store/config/load.hpp"

namespace postern::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Settings parsed(std::string_view text, const std::string& file = "/etc/postern/postern.toml") {
  LoadResult loaded = parse(text, file);
  EXPECT_TRUE(loaded) << describe(loaded.error());
  return loaded ? *loaded : Settings{};
}

TEST(Defaults, AnEmptyFileGivesWhatSettingsSays) {
  const Settings s = parsed("");
  EXPECT_EQ(s.profile, "modern");
  EXPECT_EQ(s.state, "/var/lib/postern");
  EXPECT_EQ(s.store.path, "/var/lib/postern/store");
  EXPECT_EQ(s.store.socket, "/var/lib/postern/postern.sock");
  EXPECT_EQ(s.runtime, RuntimeSettings{});
  EXPECT_EQ(s.log, LogSettings{});
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  EXPECT_THAT(s.hostname, testing::AnyOf(std::string(name), "localhost"));
}

TEST(Defaults, SmtpListeners) {
  const Settings s = parsed("");
  ASSERT_EQ(s.gateway.listeners.size(), 3u);
  const auto& relay = s.gateway.listeners[0];
  EXPECT_THAT(relay.addresses, ElementsAre("0.0.0.0:25", "[::]:25"));
  EXPECT_EQ(relay.role, SmtpListenerSettings::Role::relay);
  EXPECT_EQ(relay.tls, TlsMode::starttls);
  EXPECT_FALSE(relay.auth);
  EXPECT_FALSE(relay.auth_required);
  EXPECT_EQ(relay.connection_timeout, seconds(300));  // SMTP-04
  EXPECT_EQ(relay.inactivity_timeout, seconds(60));   // SMTP-05
  EXPECT_FALSE(relay.sender_owned);
  EXPECT_FALSE(relay.add_missing_fields);
  EXPECT_EQ(relay.duplicate_window, seconds(0));
  EXPECT_EQ(relay.bare_newline, LineEndPolicy::reject);
  const auto& submission = s.gateway.listeners[1];
  EXPECT_THAT(submission.addresses, ElementsAre("0.0.0.0:587", "[::]:587"));
  EXPECT_EQ(submission.tls, TlsMode::required);
  EXPECT_TRUE(submission.auth_required);
  EXPECT_EQ(submission.connection_timeout, seconds(600));
  EXPECT_EQ(submission.inactivity_timeout, seconds(300));
  EXPECT_TRUE(submission.sender_owned);
  EXPECT_TRUE(submission.add_missing_fields);
  EXPECT_EQ(submission.duplicate_window, seconds(900));
  const auto& implicit = s.gateway.listeners[2];
  EXPECT_THAT(implicit.addresses, ElementsAre("0.0.0.0:465", "[::]:465"));
  EXPECT_EQ(implicit.tls, TlsMode::implicit);
  EXPECT_TRUE(implicit.auth_required);
}

TEST(Rates, AreReadAndWritten) {
  EXPECT_EQ(parse_rates("600/min", Unit::count), (RateLimits{.per_minute = 600}));
  EXPECT_EQ(parse_rates(" 10/s,600 / min, 5000/h ,9/d", Unit::count),
            (RateLimits{.per_second = 10, .per_minute = 600, .per_hour = 5000, .per_day = 9}));
  EXPECT_EQ(parse_rates("1GiB/h", Unit::octets), (RateLimits{.per_hour = 1 << 30}));
  for (const char* off : {"0", "off", "unlimited"}) {
    EXPECT_EQ(parse_rates(off, Unit::count), RateLimits{}) << off;
  }
  for (const char* bad : {"", "600", "600/", "/min", "600/week", "-1/s", "1/s,", "1/s, 2/s", "0/s",
                          "1/s 2/min", "1GiB/h", "999999999999999/s", "281474976710656/s"}) {
    EXPECT_FALSE(parse_rates(bad, Unit::count)) << bad;
  }
  for (const char* text : {"0", "600/min", "10/s, 600/min, 5000/h, 9/d"}) {
    EXPECT_EQ(format_rates(*parse_rates(text, Unit::count), Unit::count), text);
  }
  EXPECT_EQ(format_rates({.per_day = 5ull << 30}, Unit::octets), "5GiB/d");
}

TEST(Rates, OfAListener) {
  const Settings s = parsed(
      "[[gateway.listener]]\naddresses = [\"127.0.0.1:1\"]\n"
      "source_message_rate = \"5/s, 100/h\"\nidentity_octet_rate = \"1MiB/d\"\n"
      "identity_message_rate = \"off\"\n");
  const auto& listener = s.gateway.listeners.at(0);
  EXPECT_EQ(listener.source_message_rate, (RateLimits{.per_second = 5, .per_hour = 100}));
  EXPECT_EQ(listener.identity_octet_rate, (RateLimits{.per_day = 1 << 20}));
  EXPECT_TRUE(listener.identity_message_rate.off());
  EXPECT_TRUE(listener.identity_recipient_rate.off());
  const Settings defaults = parsed("");
  EXPECT_EQ(defaults.gateway.listeners.at(0).source_message_rate, (RateLimits{.per_minute = 600}));
  EXPECT_EQ(defaults.gateway.listeners.at(0).tarpit_delay, seconds(5));  // SMTP-20
  const LoadResult wrong = parse(
      "[[gateway.listener]]\naddresses = [\"127.0.0.1:1\"]\nsource_message_rate = \"5/week\"\n",
      "x.toml");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(describe(wrong.error()), HasSubstr("not a list of rates"));
}

TEST(Defaults, MailboxListeners) {
  const Settings s = parsed("");
  ASSERT_EQ(s.pop3.listeners.size(), 2u);
  EXPECT_THAT(s.pop3.listeners[0].addresses, ElementsAre("0.0.0.0:110", "[::]:110"));
  EXPECT_EQ(s.pop3.listeners[1].tls, TlsMode::implicit);
  ASSERT_EQ(s.imap.listeners.size(), 2u);
  EXPECT_THAT(s.imap.listeners[1].addresses, ElementsAre("0.0.0.0:993", "[::]:993"));
  EXPECT_EQ(s.imap.listeners[0].tls, TlsMode::starttls);
  EXPECT_FALSE(s.imap.listeners[0].login_plaintext);
}

TEST(Defaults, Mailboxes) {
  const MailboxSettings defaults = parsed("").mailbox;
  EXPECT_EQ(defaults.quota, 0u);
  EXPECT_EQ(defaults.quota_warning_percent, 90u);
  EXPECT_EQ(defaults.quota_warning_interval, seconds(86400));
  EXPECT_EQ(parsed("[mailbox]\nquota = \"2GiB\"\n").mailbox.quota, 2ull << 30);
  EXPECT_EQ(parsed("[mailbox]\nquota = \"unlimited\"\n").mailbox.quota, 0u);
  for (const char* wrong : {"quota = 2", "quota = \"2PiB\"", "quota_warning_percent = 101",
                            "quota_warning_interval = \"367d\""}) {
    EXPECT_FALSE(parse("[mailbox]\n" + std::string(wrong) + "\n", "x.toml")) << wrong;
  }
}

TEST(Defaults, OfARoleWhereverItStandsInTheTable) {
  const Settings s = parsed(
      "[[gateway.listener]]\naddresses = [\"127.0.0.1:1\"]\ninactivity_timeout = \"2min\"\n"
      "role = \"submission\"\n"
      "[[gateway.listener]]\naddresses = [\"127.0.0.1:2\"]\n"
      "[[gateway.listener]]\naddresses = [\"127.0.0.1:3\"]\n");
  ASSERT_EQ(s.gateway.listeners.size(), 3u);
  EXPECT_EQ(s.gateway.listeners[0].inactivity_timeout, seconds(120));
  EXPECT_EQ(s.gateway.listeners[0].connection_timeout, seconds(600));
  EXPECT_TRUE(s.gateway.listeners[0].auth_required);
  EXPECT_EQ(s.gateway.listeners[1].inactivity_timeout, seconds(60));
  EXPECT_EQ(s.gateway.listeners[0].name, "submission");
  EXPECT_EQ(s.gateway.listeners[1].name, "relay");
  EXPECT_EQ(s.gateway.listeners[2].name, "relay-2");
}

TEST(Defaults, OneProtocolsListenersLeaveTheOthersAlone) {
  const Settings s = parsed("[gateway]\nlistener = []\n");
  EXPECT_TRUE(s.gateway.listeners.empty());
  EXPECT_EQ(s.pop3.listeners.size(), 2u);
}

TEST(Values, AreReadInEveryForm) {
  const Settings s = parsed(
      "state = \"/s\"\n[store]\npath = \"/elsewhere\"\nmemory_budget_octets = \"1GiB\"\n"
      "disk_free_min_octets = \"unlimited\"\n[runtime]\ndrain_timeout = 7\n"
      "receive_buffer_octets = 4096\n"
      "[[gateway.listener]]\naddresses = [\"127.0.0.1:1\", \"[::1]:1\"]\n"
      "message_octets_max = 0\nprotocol_errors_max = \"unlimited\"\n");
  EXPECT_EQ(s.store.path, "/elsewhere");
  EXPECT_EQ(s.store.socket, "/s/postern.sock");
  EXPECT_EQ(s.store.memory_budget_octets, 1ull << 30);
  EXPECT_EQ(s.store.disk_free_min_octets, 0u);
  EXPECT_EQ(s.runtime.drain_timeout, seconds(7));
  EXPECT_EQ(s.runtime.receive_buffer_octets, 4096u);
  ASSERT_EQ(s.gateway.listeners.size(), 1u);
  EXPECT_EQ(s.gateway.listeners[0].message_octets_max, 0u);
  EXPECT_EQ(s.gateway.listeners[0].protocol_errors_max, 0u);
  EXPECT_THAT(s.gateway.listeners[0].addresses, ElementsAre("127.0.0.1:1", "[::1]:1"));
}

TEST(Values, RelativePathsHangOnTheFilesFolder) {
  const Settings s = parsed(
      "state = \"data/../state\"\n[tls]\ncertificate = \"c.pem\"\nkey = "
      "\"/k.pem\"\n");
  EXPECT_EQ(s.state, "/etc/postern/state");
  EXPECT_EQ(s.store.socket, "/etc/postern/state/postern.sock");
  EXPECT_EQ(s.tls.certificate, "/etc/postern/c.pem");
  EXPECT_EQ(s.tls.key, "/k.pem");
}

TEST(RoundTrip, Defaults) {
  const Settings s = parsed("");
  EXPECT_EQ(parsed(dump(s), "/some/where/else.toml"), s);
}

/// Every member another value than its default, so that a key that is not written or not read
/// shows.
Settings unusual() {
  Settings s;
  s.profile = "exchange";
  s.hostname = "mx.example.org";
  s.state = "/srv/\"quoted\"\\back\ttab\x7f";
  s.tls = {"/c.pem",    "/k.pem",  TlsVersion::v1_3,
           seconds(77), "/ca.pem", {{"/c2.pem", "/k2.pem", {"a.example.org", "*.b.example.org"}}}};
  s.runtime = {3, PinCores::never, 5, 64, 2048, 7, seconds(61)};
  s.mailbox = {seconds(86400), seconds(60), 5ull << 30, 75, seconds(7200)};
  s.log = {"debug", "json"};
  s.metrics = {"[::1]:9125", "127.0.0.1:9126", "127.0.0.1:9127"};
  s.store = {"/p", "/s", 1ull << 41, (64ull << 20) + 1, 100};
  SmtpListenerSettings smtp;
  smtp.name = "odd";
  smtp.addresses = {"127.0.0.1:1", "[::1]:2"};
  smtp.tls = TlsMode::none;
  smtp.connections_max = 0;
  smtp.backlog = 7;
  smtp.connections_per_source_max = 21;
  smtp.connections_per_source_percent = 3;
  smtp.source_prefix_ipv4 = 24;
  smtp.source_prefix_ipv6 = 56;
  smtp.allow = {"192.0.2.0/24"};
  smtp.deny = {"192.0.2.1"};
  smtp.trusted = {"::1", "10.0.0.0/8"};
  smtp.proxy_protocol = true;
  smtp.proxy_from = {"10.1.0.0/16"};
  smtp.proxy_timeout = seconds(6);
  smtp.client_certificates = ClientCertificates::require;
  smtp.auth_mechanisms = {"LOGIN"};
  smtp.users = {"@example.org"};
  smtp.trusted_relay = true;
  smtp.role = SmtpListenerSettings::Role::submission;
  smtp.auth = true;
  smtp.auth_required = false;
  smtp.auth_plaintext = true;
  smtp.connection_timeout = seconds(97);
  smtp.inactivity_timeout = seconds(13);
  smtp.message_octets_max = 1025;
  smtp.header_octets_max = 1026;
  smtp.recipients_max = 8;
  smtp.transactions_max = 10;
  smtp.hops_max = 9;
  smtp.local_hops_max = 0;
  smtp.protocol_errors_max = 11;
  smtp.logon_failures_max = 12;
  smtp.command_octets_max = 513;
  s.gateway.listeners = {smtp};
  MailboxListenerSettings mailbox;
  mailbox.name = "odd-imap";
  mailbox.addresses = {"127.0.0.1:3"};
  mailbox.tls = TlsMode::required;
  mailbox.connections_max = 1;
  mailbox.backlog = 2;
  mailbox.login_plaintext = true;
  s.pop3 = {{}, 41, seconds(601), seconds(602), 0, 4711, seconds(605), true};
  s.imap = {{mailbox}, 8193, seconds(603), seconds(604), 2};
  return s;
}

TEST(RoundTrip, EveryMemberAwayFromItsDefault) {
  const Settings s = unusual();
  const Settings back = parsed(dump(s));
  EXPECT_EQ(back, s) << dump(back);
  EXPECT_EQ(dump(back), dump(s));
}

TEST(RoundTrip, EveryKeyCarriesAComment) {
  std::istringstream lines(dump(parsed("")));
  std::string before;
  bool first_row = true;
  int keys = 0;
  for (std::string line; std::getline(lines, line); before = line) {
    if (line.starts_with("[")) first_row = before.starts_with("#");
    if (line.find(" = ") == line.npos || line.starts_with("#")) continue;
    ++keys;
    EXPECT_TRUE(!first_row || before.starts_with("#")) << line;
    EXPECT_LE(line.size(), 100u);
  }
  EXPECT_GT(keys, 90);
}

TEST(Sample, InDeployIsCurrent) {
  const char* path = std::getenv("POSTERN_SAMPLE_CONFIG");
  if (path == nullptr) GTEST_SKIP() << "POSTERN_SAMPLE_CONFIG is not set (meson test sets it)";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  const std::string sample{std::istreambuf_iterator<char>(file), {}};
  Settings s = parsed("");
  s.hostname = "mail.example.org";
  EXPECT_EQ(sample, dump(s)) << "regenerate it: deploy/README.md says how";
}

}  // namespace
}  // namespace postern::config

// Listeners of the three protocols, and the sections that hold them.
#include <fmt/format.h>

#include "runtime/cidr_set.hpp"
#include "runtime/config/endpoint.hpp"
#include "store/config/bind.hpp"
#include "store/config/load.hpp"

namespace postern::config {
namespace {

using Role = SmtpListenerSettings::Role;

constexpr Choice<TlsMode> kTlsModes[] = {{"none", TlsMode::none},
                                         {"starttls", TlsMode::starttls},
                                         {"required", TlsMode::required},
                                         {"implicit", TlsMode::implicit}};
constexpr Choice<ClientCertificates> kClientCertificates[] = {
    {"none", ClientCertificates::none},
    {"request", ClientCertificates::request},
    {"require", ClientCertificates::require}};
constexpr Choice<Role> kRoles[] = {{"relay", Role::relay}, {"submission", Role::submission}};

// Listener names become metric labels and log values.
constexpr std::size_t kListenerNameOctetsMax = 64;
constexpr Range kConnectionsMax{.min = 1, .max = 10'000'000, .zero_is_off = true};
constexpr Range kPercent{.min = 1, .max = 100, .zero_is_off = true};
constexpr Range kPrefixIpv4{.min = 8, .max = 32};
// Shorter than /32 is more than a provider has; longer than /64 lets one host be many sources.
constexpr Range kPrefixIpv6{.min = 32, .max = 128};
// A header is one packet of a machine nearby. Never off: silent connections would stay for ever.
constexpr Range kProxyTimeout{.min = 1, .max = 60};
constexpr std::string_view kMechanisms[] = {"PLAIN", "LOGIN"};
// The kernel cuts it to net.core.somaxconn anyway.
constexpr Range kBacklog{.min = 1, .max = 65535};
// A day is the longest that Exchange allows for either timer; no limit would let dead peers pile
// up.
constexpr Range kSmtpTimer{.min = 1, .max = 86400};
// The store's sizes are 64 bit, but a message has to pass through RFC 1870's SIZE and real clients.
constexpr Range kMessageOctets{.min = 1 << 10, .max = 1ull << 40, .zero_is_off = true};
// The header is scanned while it arrives; 64 MiB of it is no mail.
constexpr Range kHeaderOctets{.min = 1 << 10, .max = 64u << 20};
// RFC 5321 4.5.3.1.8 demands 100 from servers, administrators may want fewer. Each recipient is
// memory until the transaction ends, so there is no "no limit".
constexpr Range kRecipients{.min = 1, .max = 100'000};
// RFC 9422 section 4: those that are refused count too. The upper bound only catches slips.
constexpr Range kTransactions{.min = 1, .max = 1'000'000, .zero_is_off = true};
constexpr Range kHops{.min = 1, .max = 500};                           // SMTP-06
constexpr Range kLocalHops{.min = 1, .max = 50, .zero_is_off = true};  // SMTP-07
constexpr Range kProtocolErrors{.min = 1, .max = 1000, .zero_is_off = true};
constexpr Range kLogonFailures{.min = 1, .max = 1000, .zero_is_off = true};
// RFC 5321 4.5.3.1.4 demands 512; a line is buffered whole, so it stays far below a receive buffer.
constexpr Range kSmtpCommandOctets{.min = 512, .max = 16u << 10};
// 64 octets each: 1 GiB at most.
constexpr Range kDuplicates{.min = 1024, .max = 16u << 20};
constexpr Range kPop3CommandOctets{.min = 40, .max = 1024};  // POP-02
// The upper bounds only catch slips of the keyboard.
constexpr Range kPop3Commands{.min = 10, .max = 1'000'000'000, .zero_is_off = true};
constexpr Range kPop3LoginDelay{.min = 1, .max = 86400, .zero_is_none = true};
// RFC 7162 section 4 and RFC 9051 ask for at least 8000 octets.
constexpr Range kImapCommandOctets{.min = 8u << 10, .max = 16u << 20};
// RFC 1939 section 3 asks for ten minutes, RFC 3501 5.4 for thirty at least; shorter ones are for
// tests and for people who know their clients. Never off: half-open connections would stay for
// ever.
constexpr Range kMailboxTimer{.min = 1, .max = 7ull * 86400};

std::optional<Complaint> check_listener_name(std::string_view name, Uniqueness& unique) {
  bool fine = !name.empty() && name.size() <= kListenerNameOctetsMax;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    fine = fine && (letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
  }
  if (!fine) {
    return Complaint{"is not a listener's name", "write letters, digits, '-', '_' and '.' only"};
  }
  if (++unique.listener_names[std::string(name)] > 1) {
    return Complaint{fmt::format("\"{}\" is the name of another listener too", name),
                     "give each listener a name of its own"};
  }
  return std::nullopt;
}

std::optional<Complaint> check_listener_address(std::string_view text, const std::string& section,
                                                Uniqueness& unique) {
  if (auto complaint = check_endpoint(text)) return complaint;
  const auto endpoint = parse_endpoint(text);
  const std::string canonical = format_endpoint(endpoint->address, endpoint->port);
  const auto [place, is_new] = unique.address_owner.emplace(canonical, section);
  if (is_new) return std::nullopt;
  return Complaint{fmt::format("\"{}\" is listened on twice, also in {}", text, place->second),
                   "remove one of them or change its port"};
}

std::optional<Complaint> check_network(std::string_view text) {
  const auto range = CidrRange::parse(text);
  if (range) return std::nullopt;
  return Complaint{range.error().message,
                   "write a network as in \"192.0.2.0/24\" or \"2001:db8::/32\", or one address"};
}

std::optional<Complaint> check_mechanism(std::string_view name) {
  for (const std::string_view known : kMechanisms) {
    if (name == known) return std::nullopt;
  }
  return Complaint{"is not a mechanism this server has", "write \"PLAIN\" or \"LOGIN\""};
}

std::optional<Complaint> check_user(std::string_view name) {
  const std::size_t at = name.rfind('@');
  if (at != name.npos && at + 1 < name.size()) return std::nullopt;
  return Complaint{"is neither an account nor a domain",
                   "write \"joe@example.org\", or \"@example.org\" for all its accounts"};
}

/// Who may connect and how often.
void bind_access(Binder& b, ListenerSettings& s) {
  constexpr auto kMayBeEmpty = Binder::EmptyList::allowed;
  b.count("connections_max", s.connections_max, kConnectionsMax,
          "Connections of this listener at a time; further ones are told to come back.");
  b.count("connections_per_source_max", s.connections_per_source_max, kConnectionsMax,
          "Connections of one source at a time.");
  b.count("connections_per_source_percent", s.connections_per_source_percent, kPercent,
          "The same in percent of the connections that are still free; one is always allowed.");
  b.count("source_prefix_ipv4", s.source_prefix_ipv4, kPrefixIpv4,
          "Bits of an IPv4 address that make a source: 32 counts addresses, 24 networks of 256.");
  b.count("source_prefix_ipv6", s.source_prefix_ipv6, kPrefixIpv6,
          "The same for IPv6, where every site has 64 bits to itself.");
  b.texts("allow", s.allow,
          "Networks that may connect, as in \"192.0.2.0/24\"; SMTP tells others 421 4.3.2. Empty: "
          "everybody.",
          check_network, kMayBeEmpty);
  b.texts("deny", s.deny,
          "Networks that may not connect, also when allowed. SMTP's relay role says 550 5.7.1, "
          "others as if not allowed.",
          check_network, kMayBeEmpty);
  b.texts("trusted", s.trusted,
          "Networks that are free of the limits per source and of penalties. connections_max holds "
          "for them too.",
          check_network, kMayBeEmpty);
}

/// A load balancer in front.
void bind_proxy(Binder& b, ListenerSettings& s) {
  b.flag("proxy_protocol", s.proxy_protocol,
         "Every connection begins with a PROXY header (version 1 or 2) that names the client, "
         "before TLS.");
  b.texts("proxy_from", s.proxy_from,
          "Load balancers that send the header; with proxy_protocol nobody else may connect.",
          check_network, Binder::EmptyList::allowed);
  b.duration("proxy_timeout", s.proxy_timeout, kProxyTimeout,
             "Time until the header must be complete.");
  b.require(!s.proxy_protocol || !s.proxy_from.empty(), {"proxy_protocol", "proxy_from"},
            "proxy_protocol = true and no proxy_from: nobody could connect",
            "name the load balancers' addresses in proxy_from");
  b.choice("client_certificates", s.client_certificates,
           std::span<const Choice<ClientCertificates>>(kClientCertificates),
           "none: TLS clients are not asked for one. request: asked, and logged. require: only "
           "clients with one that an authority of [tls] client_ca signed.");
}

/// Unnamed listeners get their section's or role's name, with a number if that is taken.
void name_listener(ListenerSettings& s, std::string_view base, Uniqueness& unique) {
  if (!s.name.empty()) return;
  s.name = base;
  for (int number = 2; unique.listener_names.contains(s.name); ++number) {
    s.name = fmt::format("{}-{}", base, number);
  }
  unique.listener_names[s.name] = 1;
}

void bind_common(Binder& b, ListenerSettings& s, const std::string& section, Uniqueness& unique) {
  b.text("name", s.name, "For logs and metrics. Default: the role or the protocol.",
         [&](std::string_view text) { return check_listener_name(text, unique); });
  b.texts("addresses", s.addresses,
          "Where to listen: \"192.0.2.1:25\", \"[2001:db8::1]:25\"; 0.0.0.0 and [::] are all "
          "addresses of the machine.",
          [&](std::string_view text) { return check_listener_address(text, section, unique); });
  b.require(!s.addresses.empty() || b.has("addresses"), {"addresses"}, "is missing",
            "write for example: addresses = [\"127.0.0.1:2025\"]");
  b.choice("tls", s.tls, std::span<const Choice<TlsMode>>(kTlsModes),
           "none: never. starttls: offered. required: nothing of weight before STARTTLS. "
           "implicit: from the first octet.");
  b.count("backlog", s.backlog, kBacklog,
          "Connections that the kernel may hold until they are accepted.");
  bind_access(b, s);
  bind_proxy(b, s);
}

void bind_smtp_limits(Binder& b, SmtpListenerSettings& s) {
  b.duration("connection_timeout", s.connection_timeout, kSmtpTimer,
             "Longest life of a connection. Default: 10min for submission, 5min for relay.");
  b.duration("inactivity_timeout", s.inactivity_timeout, kSmtpTimer,
             "Longest silence of a client. Default: 5min for submission, 1min for relay.");
  b.require(s.inactivity_timeout < s.connection_timeout,
            {"inactivity_timeout", "connection_timeout"},
            fmt::format("inactivity_timeout ({}) must be smaller than connection_timeout ({})",
                        format_quantity(std::uint64_t(s.inactivity_timeout.count()), Unit::time),
                        format_quantity(std::uint64_t(s.connection_timeout.count()), Unit::time)),
            "make one of them fit the other");
  b.octets("message_octets_max", s.message_octets_max, kMessageOctets,
           "Largest message, announced as SIZE.");
  b.octets("header_octets_max", s.header_octets_max, kHeaderOctets,
           "Largest header block of a message.");
  b.count("recipients_max", s.recipients_max, kRecipients,
          "Recipients of one message; further ones are told to come in another transaction.");
  b.count("transactions_max", s.transactions_max, kTransactions,
          "MAIL commands of one session, refused ones too; one more ends it with 421, so that the "
          "client comes on a new connection.");
  b.count("hops_max", s.hops_max, kHops,
          "Received fields a message may carry: above it mail goes in a circle.");
  b.count("local_hops_max", s.local_hops_max, kLocalHops,
          "How often this server may have received a message before.");
  b.count("protocol_errors_max", s.protocol_errors_max, kProtocolErrors,
          "Protocol errors of one session; one more ends it.");
  b.count("logon_failures_max", s.logon_failures_max, kLogonFailures,
          "Failed logins of one session; one more ends it.");
  b.octets("command_octets_max", s.command_octets_max, kSmtpCommandOctets, "Longest command line.");
  bind_rate_limits(b, s);
}

void bind(Binder& b, SmtpListenerSettings& s, Uniqueness& unique) {
  b.choice("role", s.role, std::span<const Choice<Role>>(kRoles),
           "relay: mail from other servers to local domains. submission: mail from users to "
           "anyone.");
  if (b.reading()) apply_role_defaults(s);
  bind_common(b, s, "gateway.listener", unique);
  b.flag("auth", s.auth, "AUTH is offered. Default: true for submission.");
  b.flag("auth_required", s.auth_required,
         "Nothing is accepted without AUTH. Default: true for submission.");
  b.flag("auth_plaintext", s.auth_plaintext,
         "PLAIN and LOGIN are allowed without TLS: passwords can be read on the way.");
  b.texts("auth_mechanisms", s.auth_mechanisms, "What AUTH offers, in this order: PLAIN, LOGIN.",
          check_mechanism);
  b.texts("users", s.users,
          "Accounts (\"joe@example.org\") and domains (\"@example.org\") that may log in here; the "
          "others get 421 after AUTH. Empty: everybody who has an account.",
          check_user, Binder::EmptyList::allowed);
  b.flag("trusted_relay", s.trusted_relay,
         "Clients of the trusted networks may send to anyone, and without AUTH.");
  b.require(!s.trusted_relay || !s.trusted.empty(), {"trusted_relay", "trusted"},
            "trusted_relay = true without trusted networks: nobody is trusted",
            "name the networks in trusted");
  b.require(!s.auth_required || s.auth, {"auth", "auth_required"},
            "auth_required = true with auth = false: nobody could send anything",
            "set auth = true or auth_required = false");
  b.require(!s.auth_required || s.tls != TlsMode::none || s.auth_plaintext,
            {"tls", "auth_required"}, "auth_required = true without TLS: AUTH is never offered",
            "set tls = \"required\", or auth_plaintext = true if the network is trusted");
  bind_smtp_limits(b, s);
  bind_smtp_rules(b, s);
  if (b.reading()) name_listener(s, s.role == Role::relay ? "relay" : "submission", unique);
}

void bind(Binder& b, MailboxListenerSettings& s, const std::string& protocol, Uniqueness& unique) {
  bind_common(b, s, protocol + ".listener", unique);
  b.flag("login_plaintext", s.login_plaintext,
         "Logins are allowed without TLS: passwords can be read on the way.");
  if (b.reading()) name_listener(s, protocol, unique);
}

MailboxListenerSettings mailbox_listener(std::string name, int port, TlsMode tls) {
  MailboxListenerSettings s;
  s.name = std::move(name);
  s.addresses = {fmt::format("0.0.0.0:{}", port), fmt::format("[::]:{}", port)};
  s.tls = tls;
  return s;
}

SmtpListenerSettings smtp_listener(std::string name, int port, Role role, TlsMode tls) {
  SmtpListenerSettings s;
  s.name = std::move(name);
  s.addresses = {fmt::format("0.0.0.0:{}", port), fmt::format("[::]:{}", port)};
  s.role = role;
  s.tls = tls;
  apply_role_defaults(s);
  return s;
}

}  // namespace

std::string_view word_of(TlsMode mode) {
  for (const Choice<TlsMode>& choice : kTlsModes) {
    if (choice.value == mode) return choice.word;
  }
  return {};
}

void apply_role_defaults(SmtpListenerSettings& s) {
  const bool relay = s.role == Role::relay;
  s.connection_timeout = seconds(relay ? 300 : 600);  // SMTP-04
  s.inactivity_timeout = seconds(relay ? 60 : 300);   // SMTP-05
  s.auth = !relay;
  s.auth_required = !relay;
  s.sender_owned = !relay;
  s.add_missing_fields = !relay;
  s.duplicate_window = relay ? seconds(0) : seconds(15 * 60);
}

std::vector<SmtpListenerSettings> default_smtp_listeners() {
  return {smtp_listener("relay", 25, Role::relay, TlsMode::starttls),
          smtp_listener("submission", 587, Role::submission, TlsMode::required),
          smtp_listener("submissions", 465, Role::submission, TlsMode::implicit)};
}

std::vector<MailboxListenerSettings> default_pop3_listeners() {
  return {mailbox_listener("pop3", 110, TlsMode::starttls),
          mailbox_listener("pop3s", 995, TlsMode::implicit)};
}

std::vector<MailboxListenerSettings> default_imap_listeners() {
  return {mailbox_listener("imap", 143, TlsMode::starttls),
          mailbox_listener("imaps", 993, TlsMode::implicit)};
}

void bind(Binder& b, GatewaySettings& s, Uniqueness& unique) {
  b.count("duplicates_max", s.duplicates_max, kDuplicates,
          "Messages that are remembered for duplicate_window, all listeners together.");
  bind_policy_memory(b, s);
  b.table("pressure", "When the machine is near its limits: strangers wait, then are refused.",
          [&](Binder& t) { bind(t, s.pressure); });
  b.tables("listener", s.listeners,
           "A listener, as often as needed. If the file has one, the default three (relay on port "
           "25, submission on 587 and 465) are gone.",
           [&](Binder& t, SmtpListenerSettings& row) { bind(t, row, unique); });
}

void bind(Binder& b, Pop3Settings& s, Uniqueness& unique) {
  b.octets(
      "command_octets_max", s.command_octets_max, kPop3CommandOctets,
      "Longest command line. Below 255B only profile \"exchange\" obeys: RFC 2449 demands 255.");
  b.duration("inactivity_timeout", s.inactivity_timeout, kMailboxTimer,
             "Longest silence of a client that has logged in.");
  b.duration("login_timeout", s.login_timeout, kMailboxTimer,
             "Longest silence of a client that has not logged in.");
  b.count("logon_failures_max", s.logon_failures_max, kLogonFailures,
          "Failed logins that end a session.");
  b.count("commands_max", s.commands_max, kPop3Commands,
          "Commands of one session; one more ends it without removing anything.");
  b.duration("login_delay", s.login_delay, kPop3LoginDelay,
             "Shortest time between two logins of an account (RFC 2449 LOGIN-DELAY).");
  b.flag("delete_after_retrieval", s.delete_after_retrieval,
         "A message that RETR has sent is removed when the session ends with QUIT. \"postern user "
         "set\" decides it for one account.");
  b.tables("listener", s.listeners,
           "A listener, as often as needed. If the file has one, the default two (ports 110 and "
           "995) are gone.",
           [&](Binder& t, MailboxListenerSettings& row) { bind(t, row, "pop3", unique); });
}

void bind(Binder& b, ImapSettings& s, Uniqueness& unique) {
  b.octets("command_octets_max", s.command_octets_max, kImapCommandOctets,
           "Longest command with its literals.");
  b.duration("inactivity_timeout", s.inactivity_timeout, kMailboxTimer,
             "Longest silence of a client that has logged in.");
  b.duration("login_timeout", s.login_timeout, kMailboxTimer,
             "Time a client has to log in; commands do not extend it.");
  b.count("logon_failures_max", s.logon_failures_max, kLogonFailures,
          "Failed logins that end a session.");
  b.tables("listener", s.listeners,
           "A listener, as often as needed. If the file has one, the default two (ports 143 and "
           "993) are gone.",
           [&](Binder& t, MailboxListenerSettings& row) { bind(t, row, "imap", unique); });
}

}  // namespace postern::config

// The configuration as values: one struct for the whole file, read by the gateway, both sidecars
// and the command line. Every member has the default that an empty file gets. What a member is
// called here is (section and) key in the file. The parser is store/config/load.hpp; the ranges,
// with their reasons, are in store/config/bind_*.cpp.
//
// Convention for limits: 0 switches a limit off unless its comment says otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "store/config/rate_limits.hpp"
#include "store/config/smtp_rules.hpp"

namespace postern::config {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// How a listener speaks TLS.
enum class TlsMode : std::uint8_t {
  none,      ///< never
  starttls,  ///< offered
  required,  ///< offered, and nothing but greeting, EHLO/CAPA, QUIT ... before it
  implicit,  ///< from the first octet (RFC 8314)
};

/// Whether a listener asks TLS clients for a certificate.
enum class ClientCertificates : std::uint8_t {
  none,     ///< does not ask
  request,  ///< asks; none, or one that no authority of `client_ca` signed, is accepted and logged
  require,  ///< the handshake fails without one that is signed by an authority of `client_ca`
};

/// The oldest TLS version that is spoken.
enum class TlsVersion : std::uint8_t { v1_2, v1_3 };

/// [[tls.certificates]]: one more certificate, chosen by the name that the client asks for (SNI).
struct CertificateSettings {
  std::string certificate;  ///< PEM file: leaf first, then intermediates
  std::string key;          ///< PEM file
  /// Names it is for, "*.example.org" for one label; empty: those that stand in it.
  std::vector<std::string> names;
  friend bool operator==(const CertificateSettings&, const CertificateSettings&) = default;
};

/// [tls]: the certificates of all three protocols. Both empty: TLS is not offered and implicit-TLS
/// listeners are not opened (a warning says so). Files are read again at SIGHUP.
struct TlsSettings {
  std::string certificate;  ///< PEM file: leaf first, then intermediates; for names nobody else has
  std::string key;          ///< PEM file
  TlsVersion version_min = TlsVersion::v1_2;
  /// How long session tickets are made with one key; they are good for one period more. 0: no
  /// tickets.
  seconds ticket_key_period{12 * 3600};
  std::string client_ca;  ///< PEM file: authorities of client certificates
  std::vector<CertificateSettings> certificates;
  friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

/// When event loops are bound to a CPU each.
enum class PinCores : std::uint8_t {
  automatic,  ///< when there are more CPUs than loops
  always,
  never,
};

/// [runtime]
struct RuntimeSettings {
  std::uint32_t cores = 0;  ///< event loops a process runs; 0: one per available CPU
  PinCores pin_cores = PinCores::automatic;
  /// Bounded pool for password hashes and store reads; 0: one per CPU.
  std::uint32_t worker_threads = 0;
  /// Receive buffers a core shares among its connections (power of two). An idle connection holds
  /// none.
  std::uint32_t receive_buffers = 1024;
  std::uint32_t receive_buffer_octets = 16 * 1024;  ///< a TLS record's size
  /// How long a core looks for work before it sleeps, in microseconds.
  std::uint32_t spin_us = 0;
  /// How long a stopping process waits for sessions to finish.
  seconds drain_timeout{30};
  friend bool operator==(const RuntimeSettings&, const RuntimeSettings&) = default;
};

/// [log]
struct LogSettings {
  std::string level = "info";     ///< error, warn, info, debug
  std::string format = "logfmt";  ///< logfmt or json
  friend bool operator==(const LogSettings&, const LogSettings&) = default;
};

/// [metrics]
struct MetricsSettings {
  // A process has an endpoint of its own: "address:port" for Prometheus; empty: off.
  std::string listen;       ///< of postern-gateway
  std::string listen_pop3;  ///< of postern-pop3
  std::string listen_imap;  ///< of postern-imap
  friend bool operator==(const MetricsSettings&, const MetricsSettings&) = default;
};

/// [store]
struct StoreSettings {
  std::string path;    ///< folder of both databases; default: <state>/store
  std::string socket;  ///< Unix socket of the store service; default: <state>/postern.sock
  /// Refuse mail when the file system has less free space than this. Enough for RocksDB to flush
  /// and compact what it has already accepted.
  std::uint64_t disk_free_min_octets = 512ull << 20;
  /// Octets of messages in memory, from their arrival until they are durable; each core has an
  /// equal share.
  std::uint64_t memory_budget_octets = 512ull << 20;
  /// Requests one core can have waiting at the committer. Reached only when the disk is far behind.
  std::uint32_t commit_queue_requests = 8192;
  friend bool operator==(const StoreSettings&, const StoreSettings&) = default;
};

/// [mailbox]: what holds for accounts without settings of their own
struct MailboxSettings {
  seconds keep{0};  ///< POP-20: older messages are deleted; 0: kept for ever
  /// How often the mailboxes are looked through for messages to delete.
  seconds keep_check_interval{3600};
  std::uint64_t quota = 0;  ///< POP-19: octets that a mailbox may hold; 0: no limit
  /// Part of the quota from which on the owner is told; 0: he never is.
  std::uint32_t quota_warning_percent = 90;
  /// When the owner of a mailbox that stays above it is told again; 0: never.
  seconds quota_warning_interval{86400};
  friend bool operator==(const MailboxSettings&, const MailboxSettings&) = default;
};

/// What every listener has.
struct ListenerSettings {
  std::string name;                    ///< for logs and metrics
  std::vector<std::string> addresses;  ///< "127.0.0.1:2025", "[::1]:2025"
  TlsMode tls = TlsMode::starttls;
  std::uint32_t backlog = 4096;  ///< listen(2) queue

  // Who may connect, and how often: runtime/connection_gate.hpp. Networks in CIDR notation.
  std::uint32_t connections_max = 5000;           ///< SMTP-16
  std::uint32_t connections_per_source_max = 20;  ///< SMTP-17
  /// SMTP-17: of the connections that are still free, at most this much for one source; never less
  /// than one connection.
  std::uint32_t connections_per_source_percent = 2;
  std::uint32_t source_prefix_ipv4 = 32;  ///< bits that make a source of an IPv4 address
  std::uint32_t source_prefix_ipv6 = 64;  ///< the same for IPv6: a site has 2^64 addresses at least
  std::vector<std::string> allow;         ///< empty: everybody; others are refused (SMTP-15)
  std::vector<std::string> deny;          ///< refused, also when allowed (SMTP-18)
  std::vector<std::string> trusted;       ///< free of limits per source and of penalties

  // A load balancer in front that says who the client is: runtime/proxy_protocol.hpp.
  bool proxy_protocol = false;          ///< every connection begins with a PROXY header
  std::vector<std::string> proxy_from;  ///< who may say so; nobody else may connect
  seconds proxy_timeout{5};             ///< until the header is complete

  ClientCertificates client_certificates = ClientCertificates::none;
  friend bool operator==(const ListenerSettings&, const ListenerSettings&) = default;
};

/// [[gateway.listener]]
struct SmtpListenerSettings : ListenerSettings, SmtpRuleSettings {
  enum class Role : std::uint8_t {
    relay,       ///< port 25: mail from strangers to local domains
    submission,  ///< ports 587 and 465: authenticated users
  };
  Role role = Role::relay;
  bool auth = false;            ///< AUTH offered (default true for submission)
  bool auth_required = false;   ///< 530 without AUTH (default true for submission)
  bool auth_plaintext = false;  ///< PLAIN and LOGIN also without TLS (RFC 4954 section 4: off)
  /// Offered by AUTH, in this order.
  std::vector<std::string> auth_mechanisms{"PLAIN", "LOGIN"};
  /// Accounts ("joe@example.org") and domains ("@example.org") that may use this listener; empty:
  /// all. Others are told after AUTH that they are wrong here (SMTP-15).
  std::vector<std::string> users;
  bool trusted_relay = false;       ///< `trusted` clients may send to anyone, and without AUTH
  seconds connection_timeout{600};  ///< SMTP-04; 300 for relay listeners that face strangers
  seconds inactivity_timeout{300};  ///< SMTP-05; 60 for relay listeners that face strangers
  std::uint64_t message_octets_max = 36ull << 20;  ///< SMTP-11
  std::uint32_t header_octets_max = 256 << 10;     ///< SMTP-10
  std::uint32_t recipients_max = 200;              ///< SMTP-08
  /// MAIL commands of one session (RFC 9422 MAILMAX). Off: a connection that is used again costs
  /// less than a new one, and the rates bound what comes over it.
  std::uint32_t transactions_max = 0;
  std::uint32_t hops_max = 30;              ///< SMTP-06
  std::uint32_t local_hops_max = 8;         ///< SMTP-07
  std::uint32_t protocol_errors_max = 5;    ///< SMTP-12
  std::uint32_t logon_failures_max = 3;     ///< SMTP-12
  std::uint32_t command_octets_max = 2048;  ///< RFC 5321 4.5.3.1.4 is 512; extensions lengthen it
  // Rates: gateway/policy/rate_limiter.hpp. Of a source while it has not logged in, of the account
  // afterwards: an office behind one address is not one sender.
  RateLimits source_message_rate{.per_minute = 600};    ///< SMTP-09
  RateLimits identity_message_rate{.per_minute = 600};  ///< SMTP-09
  RateLimits identity_recipient_rate;
  RateLimits identity_octet_rate;
  seconds tarpit_delay{5};    ///< SMTP-20
  seconds greeting_delay{0};  ///< before the greeting: who talks meanwhile is refused
  std::uint32_t data_octets_per_second_min = 100;  ///< of a message that arrives; less ends it
  seconds data_rate_grace{60};                     ///< the time over which that is counted
  std::uint32_t pipeline_commands_max = 1000;      ///< run ahead of replies that were not sent yet
  friend bool operator==(const SmtpListenerSettings&, const SmtpListenerSettings&) = default;
};

/// [gateway.pressure]: back pressure (SMTP-13), gateway/policy/pressure.hpp. A threshold of 0 is
/// never reached.
struct PressureSettings {
  std::uint32_t memory_medium_percent = 70;  ///< of [store] memory_budget_octets
  std::uint32_t memory_high_percent = 90;
  /// Free space below this part of [store] disk_free_min_octets is medium; below all of it, high.
  std::uint32_t disk_medium_percent = 200;
  std::uint32_t stall_medium_percent = 10;  ///< of the last seconds' writes that RocksDB put off
  std::uint32_t stall_high_percent = 80;
  std::uint32_t latency_medium_ms = 1000;  ///< mean time to make a group durable
  std::uint32_t latency_high_ms = 10'000;
  std::uint32_t recovery_percent = 80;  ///< a level ends at this part of its threshold
  seconds delay{3};                     ///< of strangers' greetings and MAIL replies
  seconds patience{30};                 ///< at medium for longer: strangers are refused
  friend bool operator==(const PressureSettings&, const PressureSettings&) = default;
};

/// [gateway]
struct GatewaySettings {
  /// Messages remembered for listeners with a duplicate_window: 64 octets each, so this is 4 MiB.
  /// Enough for the last minute at 1000 messages a second; when it is full the oldest go first.
  std::uint32_t duplicates_max = 65'536;
  /// Default: relay :25, submission :587, implicit :465.
  std::vector<SmtpListenerSettings> listeners;
  /// Sources and identities that rates and penalties remember at a time, in each of their tables.
  std::uint32_t policy_keys_max = 64 * 1024;
  seconds tarpit_memory{600};  ///< how long a source that got an error is greeted late (SMTP-20)
  // Login penalties of all listeners and sidecars: gateway/policy/login_guard.hpp.
  std::uint32_t login_failures_free = 3;  ///< per source and per account; 0: the first one costs
  seconds login_delay_max{10};            ///< longest penalty; 0: none
  seconds login_failures_half_life{900};  ///< after which half of the failures is forgotten
  PressureSettings pressure;
  friend bool operator==(const GatewaySettings&, const GatewaySettings&) = default;
};

/// [[pop3.listener]], [[imap.listener]]
struct MailboxListenerSettings : ListenerSettings {
  /// An office behind one address: a hundred people with five connections each; the percentage,
  /// meant for mail servers that come with few, is off.
  MailboxListenerSettings() {
    connections_per_source_max = 500;
    connections_per_source_percent = 0;
  }
  bool login_plaintext = false;  ///< logins without TLS (IMAP-24, POP-16)
  friend bool operator==(const MailboxListenerSettings&, const MailboxListenerSettings&) = default;
};

/// [pop3]
struct Pop3Settings {
  std::vector<MailboxListenerSettings> listeners;  ///< default: :110 starttls, :995 implicit
  std::uint32_t command_octets_max = 512;          ///< POP-02: 40 to 1024
  seconds inactivity_timeout{1800};                ///< POP-09, authenticated
  seconds login_timeout{60};                       ///< POP-09, unauthenticated
  std::uint32_t logon_failures_max = 3;
  /// Commands of one session. Off: a client that empties a large maildrop needs two a message.
  std::uint32_t commands_max = 0;
  /// RFC 2449 6.5: shortest time between two logins of an account.
  seconds login_delay{0};
  /// RFC 2449 6.7: what RETR sent whole is removed by QUIT. Accounts may differ.
  bool delete_after_retrieval = false;
  friend bool operator==(const Pop3Settings&, const Pop3Settings&) = default;
};

/// [imap]
struct ImapSettings {
  std::vector<MailboxListenerSettings> listeners;  ///< default: :143 starttls, :993 implicit
  /// A command line with its literals.
  std::uint32_t command_octets_max = 64 << 10;
  seconds inactivity_timeout{1800};      ///< IMAP-19
  seconds login_timeout{60};             ///< IMAP-19: not extended by commands
  std::uint32_t logon_failures_max = 4;  ///< IMAP-46
  friend bool operator==(const ImapSettings&, const ImapSettings&) = default;
};

/// The whole file.
struct Settings {
  std::string profile = "modern";  ///< modern or exchange (requirements.md)
  std::string hostname;            ///< in greetings and Received; default: the machine's name
  std::string state = "/var/lib/postern";
  TlsSettings tls;
  RuntimeSettings runtime;
  LogSettings log;
  MetricsSettings metrics;
  StoreSettings store;
  MailboxSettings mailbox;
  GatewaySettings gateway;
  Pop3Settings pop3;
  ImapSettings imap;
  friend bool operator==(const Settings&, const Settings&) = default;
};

}  // namespace postern::config

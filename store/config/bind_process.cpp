// Sections that every process has: tls, runtime, log, metrics, store, and the root.
#include <bit>

#include "runtime/config/endpoint.hpp"
#include "store/account_settings.hpp"
#include "store/config/bind.hpp"

namespace postern::config {
namespace {

constexpr std::string_view kProfiles[] = {"modern", "exchange"};
constexpr std::string_view kLogLevels[] = {"error", "warn", "info", "debug"};
constexpr std::string_view kLogFormats[] = {"logfmt", "json"};

constexpr Choice<TlsVersion> kTlsVersions[] = {{"1.2", TlsVersion::v1_2},
                                               {"1.3", TlsVersion::v1_3}};
// RFC 8446 4.6.1: a ticket lives a week at most, so half a week is the longest period of a key.
constexpr Range kTicketKeyPeriod{.min = 1, .max = 84 * 3600, .zero_is_none = true};

// A ring per core is pinned memory; more loops than this on one machine is a slip of the keyboard.
constexpr Range kCores{.min = 0, .max = 1024};
constexpr Range kWorkerThreads{.min = 0, .max = 1024};
// The kernel takes buffer rings of a power of two, 32768 at most; below 16 a burst on one
// connection starves the others.
constexpr Range kReceiveBuffers{.min = 16, .max = 32768};
// Below 1 KiB a mail is hundreds of completions; above 1 MiB one slow reader's buffer is a message.
constexpr Range kReceiveBufferOctets{.min = 1 << 10, .max = 1 << 20};
// Longer than a round trip to a client on the same network only burns power.
constexpr Range kSpin{.min = 1, .max = 1000, .zero_is_none = true};
// An hour: service managers kill a stopping process long before.
constexpr Range kDrainTimeout{.min = 0, .max = 3600};
constexpr Range kDiskFreeMin{.min = 1ull << 20, .max = 1ull << 50, .zero_is_off = true};
constexpr Choice<PinCores> kPinCores[] = {
    {"auto", PinCores::automatic}, {"always", PinCores::always}, {"never", PinCores::never}};
// Less than 16 MiB cannot hold a few large messages in flight; there is no "no limit": memory is
// finite.
constexpr Range kMemoryBudget{.min = 16ull << 20, .max = 1ull << 40};
// A second is for tests; a hundred years is for ever, said longer.
constexpr Range kKeep{.min = 1, .max = 36'500ull * 86400, .zero_is_off = true};
// Each check reads the rows of every mailbox with a limit; an age is in days, so more often than
// hourly gains nobody anything, and less often than weekly is not what was promised.
constexpr Range kKeepCheckInterval{.min = 1, .max = 7 * 86400};
constexpr Range kQuota{
    .min = store::kQuotaOctetsMin, .max = store::kQuotaOctetsMax, .zero_is_off = true};
// At 100 the first word is that the mailbox is full.
constexpr Range kQuotaWarning{.min = 1, .max = 100, .zero_is_none = true};
// A second is for tests. People stop reading what comes more than daily; a year is never.
constexpr Range kQuotaWarningInterval{.min = 1, .max = 366 * 86400, .zero_is_none = true};
constexpr Range kCommitQueue{.min = 64, .max = 1 << 20};

std::optional<Complaint> check_not_empty(std::string_view text) {
  if (!text.empty()) return std::nullopt;
  return Complaint{"is empty", "write a path or remove the line"};
}

std::optional<Complaint> check_hostname(std::string_view name) {
  const Complaint complaint{"is not a host name",
                            "write letters, digits, '-' and '.' only, as in "
                            "mail.example.org"};
  if (name.empty() || name.size() > 253) return complaint;  // RFC 1035 2.3.4 without its root dot
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.') return complaint;
  }
  if (name.front() == '.' || name.front() == '-' || name.find("..") != name.npos) return complaint;
  return std::nullopt;
}

void bind_certificate(Binder& b, CertificateSettings& s) {
  b.text("certificate", s.certificate,
         "PEM file with the certificate first, then the intermediates.", check_not_empty);
  b.text("key", s.key, "PEM file with its private key.", check_not_empty);
  b.texts("names", s.names,
          "Names it is for, \"*.example.org\" for any first label. Empty: the names that stand in "
          "it.",
          {}, Binder::EmptyList::allowed);
  b.require(!s.certificate.empty() && !s.key.empty(), {"certificate", "key"},
            "certificate and key belong together, one of them is missing", "give both");
}

}  // namespace

std::optional<Complaint> check_endpoint(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  if (endpoint) return std::nullopt;
  return Complaint{endpoint.error().message,
                   "write \"127.0.0.1:25\", or \"[::1]:25\" for IPv6 (0.0.0.0 and [::] are all "
                   "addresses of the machine)"};
}

void bind(Binder& b, TlsSettings& s) {
  b.text("certificate", s.certificate,
         "PEM file with the server's certificate first, then the intermediates.");
  b.text("key", s.key, "PEM file with the certificate's private key.");
  b.require(s.certificate.empty() == s.key.empty(), {"certificate", "key"},
            "certificate and key belong together, one of them is missing", "give both or neither");
  b.choice("version_min", s.version_min, std::span<const Choice<TlsVersion>>(kTlsVersions),
           "The oldest TLS version that is spoken: 1.2 or 1.3.");
  b.duration("ticket_key_period", s.ticket_key_period, kTicketKeyPeriod,
             "How long session tickets are made with one key; each is good for one period more. 0: "
             "clients cannot resume.");
  b.text("client_ca", s.client_ca,
         "PEM file with the authorities of client certificates (client_certificates of a "
         "listener).");
  b.tables("certificates", s.certificates,
           "One more certificate, for clients that ask for one of its names. As often as needed.",
           bind_certificate);
  b.require(s.certificates.empty() || !s.certificate.empty(), {"certificates"},
            "are given without certificate and key, which serve clients that ask for no name",
            "set certificate and key in [tls] too");
}

void bind(Binder& b, RuntimeSettings& s) {
  b.count("cores", s.cores, kCores,
          "Event loops of each process, one per core. 0: as many as CPUs are available.");
  // Bound to every CPU there is, a loop can wait behind the committer's threads and the kernel's
  // while another CPU idles. On 2 CPUs that gained with kept connections (2 to 20 %) and lost with
  // one message each (up to 14 %): bench/README.md.
  b.choice<PinCores>("pin_cores", s.pin_cores, kPinCores,
                     "Whether each event loop is bound to a CPU: auto binds them when there are "
                     "more CPUs than loops, so that the committer has one too.");
  b.count("worker_threads", s.worker_threads, kWorkerThreads,
          "Threads for password hashes and for reading the store. 0: one per CPU.");
  b.count("receive_buffers", s.receive_buffers, kReceiveBuffers,
          "Receive buffers that the connections of one core share, a power of two. An idle "
          "connection holds none.");
  b.octets("receive_buffer_octets", s.receive_buffer_octets, kReceiveBufferOctets,
           "Size of one receive buffer. 16KiB is a TLS record.");
  b.count(
      "spin_us", s.spin_us, kSpin,
      "Microseconds that a core looks for its clients' next commands before it sleeps. Worth it "
      "where clients answer that fast and cores are to spare; about 50 then.");
  b.duration("drain_timeout", s.drain_timeout, kDrainTimeout,
             "How long a stopping process waits for its sessions to finish.");
  b.require(std::has_single_bit(s.receive_buffers), {"receive_buffers"}, "is not a power of two",
            "write 512, 1024, 2048 ...");
}

void bind(Binder& b, LogSettings& s) {
  b.word("level", s.level, kLogLevels, "How much is logged.");
  b.word("format", s.format, kLogFormats, "How a log line looks: key=value pairs or JSON.");
}

void bind(Binder& b, MetricsSettings& s) {
  const auto check = [](std::string_view text) {
    return text.empty() ? std::nullopt : check_endpoint(text);
  };
  b.text("listen", s.listen,
         "Address and port of the gateway's Prometheus endpoint, \"127.0.0.1:9125\". Empty: none.",
         check);
  b.text("listen_pop3", s.listen_pop3, "The same for postern-pop3.", check);
  b.text("listen_imap", s.listen_imap, "The same for postern-imap.", check);
  const bool distinct = (s.listen.empty() || s.listen != s.listen_pop3) &&
                        (s.listen.empty() || s.listen != s.listen_imap) &&
                        (s.listen_pop3.empty() || s.listen_pop3 != s.listen_imap);
  b.require(distinct, {"listen_imap", "listen_pop3", "listen"},
            "two processes cannot have one endpoint", "give each a port of its own");
}

void bind(Binder& b, StoreSettings& s) {
  b.text("path", s.path, "Folder of the databases. Default: store in the state folder.",
         check_not_empty);
  b.text("socket", s.socket,
         "Unix socket through which the sidecars and the command line reach the gateway. Default: "
         "postern.sock in the state folder.",
         check_not_empty);
  b.octets(
      "disk_free_min_octets", s.disk_free_min_octets, kDiskFreeMin,
      "Mail is refused for the time being (452) while the disk has less free space than this.");
  b.octets(
      "memory_budget_octets", s.memory_budget_octets, kMemoryBudget,
      "Memory for messages on their way to the disk, shared out evenly among the cores. When a "
      "core's share is used up, mail is refused for the time being (452).");
  b.count("commit_queue_requests", s.commit_queue_requests, kCommitQueue,
          "Messages of one core that can wait for the disk before clients are told to come back.");
}

void bind(Binder& b, MailboxSettings& s) {
  b.duration(
      "keep", s.keep, kKeep,
      "Messages older than this are deleted. \"postern user set\" gives an account a time of "
      "its own.");
  b.duration("keep_check_interval", s.keep_check_interval, kKeepCheckInterval,
             "How often mailboxes are looked through for messages that are too old.");
  b.octets("quota", s.quota, kQuota,
           "What a mailbox may hold. A full one gets no further mail for the time being (452 "
           "4.2.2); messages under way when it fills up still get in. \"postern user set\" gives "
           "an account a quota of its own.");
  b.count("quota_warning_percent", s.quota_warning_percent, kQuotaWarning,
          "Part of the quota from which on the owner is told, by a mail into the mailbox.");
  b.duration("quota_warning_interval", s.quota_warning_interval, kQuotaWarningInterval,
             "When the owner of a mailbox that stays above it is told again.");
}

void bind(Binder& b, Settings& s) {
  b.word("profile", s.profile, kProfiles,
         "Where Exchange's documented behaviour takes away what current clients expect: modern "
         "does what the RFCs say, exchange what the document says.");
  b.text("hostname", s.hostname,
         "The server's name in greetings and Received fields. Default: the machine's name.",
         check_hostname);
  b.text("state", s.state, "Folder for everything the server writes.", check_not_empty);
  b.table("tls",
          "The certificates of all three protocols, read again at SIGHUP. Without one TLS is not "
          "offered.",
          [&](Binder& t) { bind(t, s.tls); });
  b.table("runtime", "The event loops.", [&](Binder& t) { bind(t, s.runtime); });
  b.table("log", "Logging, to standard error.", [&](Binder& t) { bind(t, s.log); });
  b.table("metrics", "Metrics for Prometheus.", [&](Binder& t) { bind(t, s.metrics); });
  b.table("store", "Where the mail lives.", [&](Binder& t) { bind(t, s.store); });
  b.table("mailbox", "What holds for accounts without settings of their own.",
          [&](Binder& t) { bind(t, s.mailbox); });
  Uniqueness unique;
  b.table("gateway", "SMTP.", [&](Binder& t) { bind(t, s.gateway, unique); });
  b.table("pop3", "POP3.", [&](Binder& t) { bind(t, s.pop3, unique); });
  b.table("imap", "IMAP.", [&](Binder& t) { bind(t, s.imap, unique); });
}

}  // namespace postern::config

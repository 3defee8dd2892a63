#include "gateway/smtp/profile.hpp"

#include <algorithm>

#include "gateway/smtp/syntax/mail_parameters.hpp"
#include "runtime/assert.hpp"

namespace postern::smtp {

namespace {

// RFC 5321 4.5.3.1.4: no limit below this may be set, whatever the configuration says.
constexpr std::uint32_t kCommandOctetsMin = 512;

}  // namespace

std::string SmtpProfile::ehlo_reply(const EhloFacts& facts) const {
  std::string text = "250-" + hostname + " at your service\r\n";
  const auto offer = [&text](bool offered, std::string_view line) {
    if (offered) text.append("250-").append(line).append("\r\n");
  };
  offer(true, "PIPELINING");
  // RFC 1870 section 3: "SIZE 0" says that there is no fixed maximum.
  offer(true, "SIZE " + std::to_string(message_octets_max));
  offer(true, "8BITMIME");
  offer(true, "ENHANCEDSTATUSCODES");
  offer(!facts.in_tls && starttls_offered(), "STARTTLS");
  offer(auth_allowed(facts.in_tls),
        "AUTH " + access.mechanism_list() + (facts.certificate ? " EXTERNAL" : ""));
  offer(rules.dsn, "DSN");
  offer(rules.require_tls && facts.in_tls, "REQUIRETLS");
  offer(rules.mt_priority, "MT-PRIORITY");
  offer(rules.deliver_by, "DELIVERBY");
  if (offers_hold()) {
    const std::int64_t longest_seconds = rules.hold_max.count();
    std::string line = "FUTURERELEASE " + std::to_string(longest_seconds) + " ";
    append_date_time(line, facts.unix_ms + longest_seconds * 1000);
    offer(true, line);
  }
  offer(facts.xclient, "XCLIENT ADDR PORT HELO LOGIN DESTADDR DESTPORT NAME PROTO");
  offer(true, "CHUNKING");
  offer(rules.binarymime, "BINARYMIME");
  const std::string limited = limits();
  offer(!limited.empty(), "LIMITS " + limited);
  text += "250 SMTPUTF8\r\n";
  return text;
}

std::string SmtpProfile::limits() const {
  std::string text;
  const auto name = [&text](std::string_view limit, std::uint32_t value) {
    if (value == 0) return;
    if (!text.empty()) text += ' ';
    text.append(limit).append("=").append(std::to_string(value));
  };
  name("MAILMAX", transactions_max);
  name("RCPTMAX", recipients_max);
  return text;
}

bool SmtpProfile::starttls_offered() const noexcept {
  return tls_available && (tls == config::TlsMode::starttls || tls == config::TlsMode::required);
}

std::shared_ptr<const SmtpProfile> SmtpProfile::make(const config::SmtpListenerSettings& settings,
                                                     std::string_view hostname,
                                                     bool tls_available) {
  POSTERN_ASSERT(!hostname.empty());
  auto profile = std::make_shared<SmtpProfile>();
  profile->listener = settings.name;
  profile->hostname = hostname;
  profile->role = settings.role;
  profile->tls = settings.tls;
  profile->tls_available = tls_available;
  profile->auth = settings.auth;
  profile->auth_required = settings.auth_required;
  profile->auth_plaintext = settings.auth_plaintext;
  profile->connection_timeout = settings.connection_timeout;
  profile->inactivity_timeout = settings.inactivity_timeout;
  profile->tarpit_delay = settings.tarpit_delay;
  profile->greeting_delay = settings.greeting_delay;
  profile->data_octets_per_second_min = settings.data_octets_per_second_min;
  profile->data_rate_grace = settings.data_rate_grace;
  profile->pipeline_commands_max = settings.pipeline_commands_max;
  profile->message_octets_max = settings.message_octets_max;
  profile->header_octets_max = settings.header_octets_max;
  profile->recipients_max = settings.recipients_max;
  profile->transactions_max = settings.transactions_max;
  profile->hops_max = settings.hops_max;
  profile->local_hops_max = settings.local_hops_max;
  profile->protocol_errors_max = settings.protocol_errors_max;
  profile->logon_failures_max = settings.logon_failures_max;
  profile->command_octets_max = std::max(settings.command_octets_max, kCommandOctetsMin);
  profile->access = ListenerAccess::make(settings);
  profile->rules = settings;
  profile->prepare_replies();
  return profile;
}

void SmtpProfile::prepare_replies() {
  greeting = "220 " + hostname + " ESMTP Postern\r\n";
  helo_reply = "250 " + hostname + " at your service\r\n";
  ehlo_clear = ehlo_reply({.in_tls = false});
  ehlo_tls = ehlo_reply({.in_tls = true});
}

}  // namespace postern::smtp

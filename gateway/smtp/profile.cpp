#include "gateway/smtp/profile.hpp"

#include <algorithm>

#include "runtime/assert.hpp"

namespace postern::smtp {

namespace {

// RFC 5321 4.5.3.1.4: no limit below this may be set, whatever the configuration says.
constexpr std::uint32_t kCommandOctetsMin = 512;

std::string ehlo_reply(const SmtpProfile& profile, bool in_tls) {
  std::string text = "250-" + profile.hostname + " at your service\r\n";
  text += "250-PIPELINING\r\n";
  // RFC 1870 section 3: "SIZE 0" says that there is no fixed maximum.
  text += "250-SIZE " + std::to_string(profile.message_octets_max) + "\r\n";
  text += "250-8BITMIME\r\n";
  text += "250-ENHANCEDSTATUSCODES\r\n";
  if (!in_tls && profile.starttls_offered()) text += "250-STARTTLS\r\n";
  if (profile.auth_allowed(in_tls)) {
    text += "250-AUTH " + profile.access.mechanism_list() + "\r\n";
  }
  text += "250-CHUNKING\r\n";
  if (profile.recipients_max != 0) {
    text += "250-LIMITS RCPTMAX=" + std::to_string(profile.recipients_max) + "\r\n";  // RFC 9422
  }
  text += "250 SMTPUTF8\r\n";
  return text;
}

}  // namespace

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
  profile->message_octets_max = settings.message_octets_max;
  profile->header_octets_max = settings.header_octets_max;
  profile->recipients_max = settings.recipients_max;
  profile->hops_max = settings.hops_max;
  profile->local_hops_max = settings.local_hops_max;
  profile->protocol_errors_max = settings.protocol_errors_max;
  profile->logon_failures_max = settings.logon_failures_max;
  profile->command_octets_max = std::max(settings.command_octets_max, kCommandOctetsMin);
  profile->access = ListenerAccess::make(settings);
  profile->prepare_replies();
  return profile;
}

void SmtpProfile::prepare_replies() {
  greeting = "220 " + hostname + " ESMTP Postern\r\n";
  helo_reply = "250 " + hostname + " at your service\r\n";
  ehlo_clear = ehlo_reply(*this, false);
  ehlo_tls = ehlo_reply(*this, true);
}

}  // namespace postern::smtp

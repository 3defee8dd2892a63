// What a listener means to the sessions it accepts: limits, roles and ready-made replies. Derived
// once from the configuration, immutable, shared by all sessions of a listener.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/smtp/listener_access.hpp"
#include "runtime/time.hpp"
#include "store/config/settings.hpp"

namespace postern::smtp {

/// One listener as its sessions see it. Thread-safe because nobody changes it after make().
/// Limits: 0 switches a limit off, as in the configuration.
struct SmtpProfile {
  using Role = config::SmtpListenerSettings::Role;

  std::string listener;  ///< the listener's configured name
  std::string
      hostname;  ///< in the greeting, the EHLO reply and Received; own hops are recognised by it
  Role role = Role::relay;
  config::TlsMode tls = config::TlsMode::starttls;
  bool tls_available = false;  ///< a certificate is configured; without it STARTTLS is not offered
  bool auth = false;
  bool auth_required = false;
  bool auth_plaintext = false;
  Duration connection_timeout{};  ///< SMTP-04
  Duration inactivity_timeout{};  ///< SMTP-05
  /// How long an error reply to an unauthenticated client is held back (SMTP-20); zero: not at all.
  Duration tarpit_delay{};
  /// Pause before the greeting; who talks meanwhile is refused. Zero: none.
  Duration greeting_delay{};
  std::uint64_t data_octets_per_second_min = 0;  ///< of a message while it arrives
  Duration data_rate_grace{};                    ///< over which that is counted
  std::uint32_t pipeline_commands_max = 0;       ///< commands run ahead of unsent replies
  std::uint64_t message_octets_max = 0;          ///< SMTP-11
  std::uint32_t header_octets_max = 0;           ///< SMTP-10
  std::uint32_t recipients_max = 0;              ///< SMTP-08
  std::uint32_t transactions_max = 0;            ///< MAIL commands of a session (RFC 9422)
  std::uint32_t hops_max = 0;                    ///< SMTP-06
  std::uint32_t local_hops_max = 0;              ///< SMTP-07
  std::uint32_t protocol_errors_max = 0;         ///< SMTP-12
  std::uint32_t logon_failures_max = 0;          ///< SMTP-12
  std::uint32_t command_octets_max = 512;        ///< a command line with its CRLF; never off

  ListenerAccess access;
  config::SmtpRuleSettings rules;  ///< strictness, submission rules, extensions

  std::string greeting;    ///< "220 ..." line with CRLF
  std::string helo_reply;  ///< "250 ..." line with CRLF
  std::string ehlo_clear;  ///< the whole EHLO reply on a connection without TLS
  std::string ehlo_tls;    ///< the whole EHLO reply inside TLS

  /// What an EHLO reply hangs on besides the listener.
  struct EhloFacts {
    bool in_tls = false;
    bool certificate = false;  ///< the client has shown one that SASL EXTERNAL can use
    bool xclient = false;      ///< XCLIENT is allowed to this client
    std::int64_t unix_ms = 0;  ///< FUTURERELEASE names a date
  };
  /// The whole EHLO reply. ehlo_clear and ehlo_tls are the usual ones, ready-made.
  std::string ehlo_reply(const EhloFacts& facts) const;
  /// The usual ones do for a client that has no certificate and may not use XCLIENT.
  bool usual_ehlo() const noexcept { return !offers_hold(); }
  /// FUTURERELEASE is offered: to those who can log in (RFC 4865 section 8).
  bool offers_hold() const noexcept { return auth && rules.hold_max.count() != 0; }
  /// LIMITS (RFC 9422) names these, "MAILMAX=100 RCPTMAX=200"; empty: there is no limit to name.
  std::string limits() const;

  /// Whether STARTTLS is offered on connections that are not inside TLS yet.
  bool starttls_offered() const noexcept;
  /// Whether PLAIN and LOGIN may be used on a connection with (or without) TLS: RFC 4954 section 4.
  bool auth_allowed(bool in_tls) const noexcept { return auth && (in_tls || auth_plaintext); }

  /// Derives a profile. `hostname` is a domain name, not empty.
  static std::shared_ptr<const SmtpProfile> make(const config::SmtpListenerSettings& settings,
                                                 std::string_view hostname, bool tls_available);
  /// Builds the ready-made replies from the other members. make() has done it; call it again only
  /// on a profile of one's own that was changed by hand.
  void prepare_replies();
};

}  // namespace postern::smtp

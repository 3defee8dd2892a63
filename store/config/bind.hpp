// The description of every section: which key is which member, what it may be, what it means. Read
// and written through runtime/config/binder.hpp. Private to store/config.
#pragma once

#include <map>
#include <string>

#include "runtime/config/binder.hpp"
#include "store/config/settings.hpp"

namespace postern::config {

/// What must be unique across listeners of all protocols while one file is read.
struct Uniqueness {
  std::map<std::string, std::string, std::less<>> address_owner;  ///< canonical address: section
  std::map<std::string, int, std::less<>> listener_names;
};

void bind(Binder& b, TlsSettings& s);
void bind(Binder& b, RuntimeSettings& s);
void bind(Binder& b, LogSettings& s);
void bind(Binder& b, MetricsSettings& s);
void bind(Binder& b, StoreSettings& s);
void bind(Binder& b, MailboxSettings& s);
void bind(Binder& b, GatewaySettings& s, Uniqueness& unique);
/// Keys of listeners and [gateway] for limits that remember clients.
void bind_rate_limits(Binder& b, SmtpListenerSettings& s);
void bind(Binder& b, PressureSettings& s);
void bind_policy_memory(Binder& b, GatewaySettings& s);
void bind(Binder& b, Pop3Settings& s, Uniqueness& unique);
void bind(Binder& b, ImapSettings& s, Uniqueness& unique);
void bind(Binder& b, Settings& s);
/// Of an SMTP listener, apart from its limits.
void bind_smtp_rules(Binder& b, SmtpRuleSettings& s);

/// A TextCheck for "address:port".
std::optional<Complaint> check_endpoint(std::string_view text);

}  // namespace postern::config

#include "gateway/metric_ids.hpp"

#include "runtime/assert.hpp"

namespace postern::gateway {

std::vector<metrics::Description> describe_metrics() {
  using metrics::Kind;
  std::vector<metrics::Description> all = {
      {"postern_smtp_connections_total", "SMTP connections", Kind::counter, "outcome", "accepted"},
      {"postern_smtp_connections_total", "SMTP connections", Kind::counter, "outcome", "refused"},
      {"postern_smtp_connections_open", "SMTP connections open now", Kind::gauge, "", ""},
      {"postern_smtp_messages_total", "Messages answered", Kind::counter, "outcome", "accepted"},
      {"postern_smtp_messages_total", "Messages answered", Kind::counter, "outcome", "refused"},
      {"postern_smtp_messages_total", "Messages answered", Kind::counter, "outcome", "repeated"},
      {"postern_smtp_message_octets_total", "Octets of accepted messages", Kind::counter, "", ""},
      {"postern_smtp_recipients_total", "Recipients", Kind::counter, "outcome", "accepted"},
      {"postern_smtp_recipients_total", "Recipients", Kind::counter, "outcome", "refused"},
      {"postern_smtp_senders_refused_total", "MAIL commands refused", Kind::counter, "", ""},
      {"postern_smtp_auth_total", "AUTH exchanges", Kind::counter, "outcome", "ok"},
      {"postern_smtp_auth_total", "AUTH exchanges", Kind::counter, "outcome", "failed"},
      {"postern_smtp_auth_total", "AUTH exchanges", Kind::counter, "outcome", "unavailable"},
      {"postern_smtp_tls_failures_total", "TLS handshakes that failed", Kind::counter, "", ""},
      {"postern_smtp_pipelining_violations_total", "Sessions ended for input before its turn",
       Kind::counter, "", ""},
      {"postern_service_requests_total", "Requests to the store service", Kind::counter, "", ""},
      {"postern_messages_expired_total", "Messages removed because of their age", Kind::counter, "",
       ""},
      {"postern_smtp_rate_exceeded_total", "Refusals for a rate", Kind::counter, "rate",
       "source_message"},
      {"postern_smtp_rate_exceeded_total", "Refusals for a rate", Kind::counter, "rate",
       "identity_message"},
      {"postern_smtp_rate_exceeded_total", "Refusals for a rate", Kind::counter, "rate",
       "identity_recipient"},
      {"postern_smtp_rate_exceeded_total", "Refusals for a rate", Kind::counter, "rate",
       "identity_octet"},
      {"postern_smtp_tarpit_total", "Replies held back", Kind::counter, "reply", "error"},
      {"postern_smtp_tarpit_total", "Replies held back", Kind::counter, "reply", "greeting"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "connection_timeout"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "inactivity_timeout"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "message_octets_max"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "header_octets_max"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "recipients_max"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "transactions_max"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "hops_max"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "local_hops_max"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "protocol_errors_max"},
      {"postern_smtp_limit_exceeded_total", "Limits that a session or message ran into",
       Kind::counter, "limit", "logon_failures_max"},
      {"postern_smtp_early_talkers_total", "Clients that talked before the greeting", Kind::counter,
       "", ""},
      {"postern_smtp_slow_messages_total", "Sessions ended because a message came too slowly",
       Kind::counter, "", ""},
      {"postern_login_penalties_total", "Logins of all protocols under penalty", Kind::counter,
       "outcome", "delayed"},
      {"postern_login_penalties_total", "Logins of all protocols under penalty", Kind::counter,
       "outcome", "refused"},
      {"postern_smtp_held_octets", "Octets of messages in memory", Kind::gauge, "", ""},
      {"postern_pressure_level", "Back pressure: 0 none, 1 medium, 2 high", Kind::gauge, "resource",
       "memory"},
      {"postern_pressure_level", "Back pressure: 0 none, 1 medium, 2 high", Kind::gauge, "resource",
       "disk"},
      {"postern_pressure_level", "Back pressure: 0 none, 1 medium, 2 high", Kind::gauge, "resource",
       "stall"},
      {"postern_pressure_level", "Back pressure: 0 none, 1 medium, 2 high", Kind::gauge, "resource",
       "latency"},
      {"postern_pressure_action",
       "What back pressure does: 0 nothing, 1 delays strangers, 2 refuses them, 3 refuses all",
       Kind::gauge, "", ""},
      {"postern_pressure_delays_total", "Greetings and MAILs held back by back pressure",
       Kind::counter, "", ""},
      {"postern_pressure_refusals_total", "Connections and MAILs refused by back pressure",
       Kind::counter, "", ""},
  };
  for (const char* reason : {"not_allowed", "denied", "connections", "per_source", "proxy",
                             "unavailable", "resources"}) {
    all.push_back({"postern_smtp_connections_refused_total", "SMTP connections refused at once",
                   Kind::counter, "reason", reason});
  }
  POSTERN_ASSERT(all.size() == kMetricCount);
  return all;
}

}  // namespace postern::gateway

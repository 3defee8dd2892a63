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

// The frame of a sidecar process: listeners, cores, the link to the gateway. POP3 and IMAP differ
// only in the sessions they make.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/metrics.hpp"
#include "runtime/session.hpp"
#include "sidecars/common/mail_connection.hpp"
#include "store/config/settings.hpp"

namespace postern::sidecars {

/// Counters that every sidecar has.
enum Metric : std::size_t {
  kConnectionsAccepted,
  kConnectionsRefused,
  kLoginsOk,
  kLoginsFailed,
  kTlsHandshakeFailures,
  kRefusedNotAllowed,
  kRefusedDenied,
  kRefusedConnections,
  kRefusedPerSource,
  kRefusedProxy,
  kMetricCount,
};

/// What makes a process POP3 or IMAP. Configured once; make_session() is called on core threads.
class Protocol {
 public:
  virtual ~Protocol() = default;
  /// "pop3", "imap": for logs, metrics and the gateway.
  virtual std::string name() const = 0;
  /// One sentence for --help.
  virtual std::string purpose() const = 0;
  /// Takes what it needs from the configuration; called before anything else.
  virtual void configure(const config::Settings& settings) = 0;
  /// The protocol's configured listeners; valid and unchanged as long as the process.
  virtual const std::vector<config::MailboxListenerSettings>& listeners() const = 0;
  /// Where this process serves its metrics; empty: nowhere.
  virtual const std::string& metrics_endpoint(const config::MetricsSettings& settings) const = 0;
  /// A session for a connection to listeners()[listener]. `cells` are the calling core's counters
  /// and live as long as the process.
  virtual OwnedSession make_session(std::size_t listener, const PeerFacts& peer,
                                    metrics::Cells& cells) = 0;
  /// The line, with CRLF, that a client gets in place of a greeting. `why` is a refusal.
  virtual std::string refusal(Verdict why) const = 0;
};

/// main() of a sidecar: runs until SIGTERM or SIGINT; returns the exit code.
int run_sidecar(int argc, char** argv, Protocol& protocol);

}  // namespace postern::sidecars

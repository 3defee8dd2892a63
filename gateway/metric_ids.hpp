// The gateway's counters: one line each here and in metric_ids.cpp.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/metrics.hpp"

namespace postern::gateway {

/// Index of a counter in the gateway's registry.
enum Metric : std::size_t {
  kConnectionsAccepted,
  kConnectionsRefused,
  kConnectionsOpen,
  kMessagesAccepted,
  kMessagesRefused,
  kMessagesRepeated,
  kMessageOctetsAccepted,
  kRecipientsAccepted,
  kRecipientsRefused,
  kSendersRefused,
  kAuthOk,
  kAuthFailed,
  kAuthUnavailable,
  kTlsHandshakeFailures,
  kPipeliningViolations,
  kServiceRequests,
  kMessagesExpired,
  kRecipientsOverQuota,
  kQuotaNear,
  kQuotaFull,
  kQuotaWarnings,
  kRateSourceMessages,
  kRateIdentityMessages,
  kRateIdentityRecipients,
  kRateIdentityOctets,
  kTarpitReplies,
  kTarpitGreetings,
  kLimitConnectionTimeout,  // limits that belong to a session or a message, by their keys
  kLimitInactivityTimeout,
  kLimitMessageOctets,
  kLimitHeaderOctets,
  kLimitRecipients,
  kLimitTransactions,
  kLimitHops,
  kLimitLocalHops,
  kLimitProtocolErrors,
  kLimitLogonFailures,
  kEarlyTalkers,
  kSlowMessages,
  kLoginsDelayed,
  kLoginsRefused,
  kHeldOctets,
  kMemoryRefusals,
  kPressureMemory,  // these four in the order of policy::Resource
  kPressureDisk,
  kPressureStall,
  kPressureLatency,
  kPressureAction,
  kPressureDelays,
  kPressureRefusals,
  kRefusedNotAllowed,
  kRefusedDenied,
  kRefusedConnections,
  kRefusedPerSource,
  kRefusedProxy,
  kRefusedUnavailable,
  kRefusedResources,
  kMetricCount,
};

/// Descriptions in the order of Metric.
std::vector<metrics::Description> describe_metrics();

}  // namespace postern::gateway

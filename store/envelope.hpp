// The SMTP envelope as the store keeps it (RFC 5321 2.3.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/types.hpp"

namespace postern::store {

/// When the sender wants to hear of a recipient (RFC 3461 4.1). Bits; none set: the server's own
/// choice, which is failures.
enum DsnNotify : std::uint8_t {
  kNotifyNever = 1 << 0,  ///< alone
  kNotifySuccess = 1 << 1,
  kNotifyFailure = 1 << 2,
  kNotifyDelay = 1 << 3,
};

/// What a notification of failure brings back (RFC 3461 4.3).
enum class DsnReturn : std::uint8_t { unspecified, full, headers };

/// What happens when a message is late (RFC 2852).
enum class DeliverByMode : std::uint8_t {
  none,              ///< there is no deadline
  notify,            ///< BY=...;N: it is delivered all the same, and the sender is told
  return_to_sender,  ///< BY=...;R: it is returned
};

/// Parameters of RCPT that go with a recipient wherever he goes.
struct RecipientOptions {
  std::uint8_t notify = 0;  ///< DsnNotify bits
  std::string orcpt;        ///< ORCPT, "type;xtext" as the client wrote it; empty if none
  friend bool operator==(const RecipientOptions&, const RecipientOptions&) = default;
};

/// Parameters of MAIL that go with a message wherever it goes. Each has the value that stands for
/// "not given".
struct EnvelopeOptions {
  bool body_binary = false;  ///< BODY=BINARYMIME (RFC 3030): lines may end in anything
  bool require_tls = false;  ///< REQUIRETLS (RFC 8689): only over verified TLS, else returned
  DsnReturn dsn_return = DsnReturn::unspecified;
  DeliverByMode deliver_by_mode = DeliverByMode::none;
  bool deliver_by_trace = false;        ///< BY=...;xT: each relay is reported
  std::int8_t priority = 0;             ///< MT-PRIORITY (RFC 6710), -9 to 9
  std::int64_t deliver_by_unix_ms = 0;  ///< with a deliver_by_mode
  std::int64_t hold_until_unix_ms = 0;  ///< HOLDFOR, HOLDUNTIL (RFC 4865); 0: at once
  std::string envelope_id;              ///< ENVID, xtext as the client wrote it; empty if none
  friend bool operator==(const EnvelopeOptions&, const EnvelopeOptions&) = default;
};

/// Where one accepted recipient goes. Decided at RCPT TO from the directory.
struct EnvelopeRecipient {
  std::string address;  ///< forward-path without brackets, as the client wrote it
  /// Local destinations; empty: the address goes to the queue, to be relayed, or because the
  /// message is held (then whoever releases it looks the address up again).
  std::vector<MailboxId> mailboxes;
  RecipientOptions options;
};

/// What was said between MAIL and DATA, and what must be remembered of the session.
struct Envelope {
  std::string reverse_path;  ///< without brackets; empty is the null reverse-path
  std::vector<EnvelopeRecipient> recipients;
  std::string identity;    ///< authenticated account name, empty if none
  std::string client;      ///< client address and HELO name, for queue list and log
  bool smtputf8 = false;   ///< MAIL FROM ... SMTPUTF8 (RFC 6531)
  bool body_8bit = false;  ///< BODY=8BITMIME (RFC 6152)
  EnvelopeOptions options;
};

}  // namespace postern::store

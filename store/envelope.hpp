// The SMTP envelope as the store keeps it (RFC 5321 2.3.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/types.hpp"

namespace postern::store {

/// Where one accepted recipient goes. Decided at RCPT TO from the directory.
struct EnvelopeRecipient {
  std::string address;               ///< forward-path without brackets, as the client wrote it
  std::vector<MailboxId> mailboxes;  ///< local destinations; empty: the address is relayed
};

/// What was said between MAIL and DATA, and what must be remembered of the session.
struct Envelope {
  std::string reverse_path;  ///< without brackets; empty is the null reverse-path
  std::vector<EnvelopeRecipient> recipients;
  std::string identity;    ///< authenticated account name, empty if none
  std::string client;      ///< client address and HELO name, for queue list and log
  bool smtputf8 = false;   ///< MAIL FROM ... SMTPUTF8 (RFC 6531)
  bool body_8bit = false;  ///< BODY=8BITMIME (RFC 6152)
};

}  // namespace postern::store

// What one IMAP listener means: settings, names and behaviour, fixed for the life of a session.
#pragma once

#include <string>

#include "store/config/settings.hpp"

namespace postern::imap {

/// Which of two behaviours the P rows of the requirements follow.
enum class Behaviour : std::uint8_t {
  modern,    ///< the RFCs and what current clients expect
  exchange,  ///< what MS-STANXIMAP documents
};

/// Shared by all sessions of a listener; replaced as a whole at a reload. Immutable, any thread.
struct ImapProfile {
  config::ImapSettings settings;             ///< [imap]; `listeners` is not looked at
  config::MailboxListenerSettings listener;  ///< the [[imap.listener]] that accepted the connection
  std::string hostname;                      ///< for the greeting
  std::string version;                       ///< for ID; empty: not shown
  bool tls_available = false;                ///< a certificate is loaded: STARTTLS may be offered
  Behaviour behaviour = Behaviour::modern;   ///< from Settings::profile
};

}  // namespace postern::imap

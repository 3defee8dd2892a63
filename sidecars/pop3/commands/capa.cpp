// CAPA (RFC 2449 section 5, POP-22): only what works on this connection in this state is listed.
#include "sidecars/pop3/limits.hpp"
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_capa(const CommandLine&, Now) {
  if (line_octets_max() < kCommandOctetsForCapa) {
    reply_error("unknown command");
    return;
  }
  const bool logged_in = state_ != State::authorization;
  const bool tls_missing = profile_->listener.tls == config::TlsMode::required && !tls_active_;
  reply_ok("capabilities follow");
  send("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n");
  send("EXPIRE NEVER\r\nIMPLEMENTATION Postern\r\nUTF8\r\nLANG\r\n");
  if (plaintext_permitted() && !tls_missing) {
    send("USER\r\nSASL ");
    send(kSaslMechanisms);
    send("\r\n");
  }
  if (!logged_in && stls_possible()) send("STLS\r\n");
  send(".\r\n");
}

}  // namespace postern::pop3

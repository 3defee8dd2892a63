// STLS (RFC 2595 section 4).
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

// Whether STLS would be granted in the AUTHORIZATION state.
bool Pop3Session::stls_possible() const noexcept {
  return profile_->tls_available && !tls_active_ && profile_->listener.tls != config::TlsMode::none;
}

void Pop3Session::command_stls(const CommandLine&, Now) {
  if (tls_active_) {
    reply_error("TLS is already active");
  } else if (!stls_possible()) {
    reply_error("TLS is not available here");
  } else {
    // The driver drops what the client sent in the clear behind this command; nothing is read until
    // on_tls(). So a command injected before the handshake is never run inside it.
    reply_ok("begin TLS negotiation");
    output_.start_tls = true;
    waiting_ = Waiting::tls;
  }
}

}  // namespace postern::pop3

// CAPA (RFC 2449 section 5, POP-22): only what works on this connection in this state is listed.
#include <chrono>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "sidecars/pop3/limits.hpp"
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

namespace {

// RFC 2449 section 6.7: whole days that a message is safe; 0 where it is gone after its RETR.
std::string expire_line(const store::MailboxPolicy& policy, bool differs_by_user) {
  const std::string_view user = differs_by_user ? " USER" : "";
  if (policy.delete_after_retrieval) return fmt::format("EXPIRE 0{}\r\n", user);
  if (policy.keep.count() == 0) return fmt::format("EXPIRE NEVER{}\r\n", user);
  const auto days = std::chrono::floor<std::chrono::days>(policy.keep);
  return fmt::format("EXPIRE {}{}\r\n", days.count(), user);
}

}  // namespace

// Before the login the gateway is asked what may hold for any account; behind it the session knows
// what holds for this one.
void Pop3Session::command_capa(const CommandLine&, Now) {
  if (state_ != State::authorization) {
    send_capabilities(policy_, false);
    return;
  }
  waiting_ = Waiting::policy;
  request_ = sidecars::PolicyRequest{};
}

void Pop3Session::on_policy_reply(sidecars::PolicyReply reply) {
  if (reply.policy)
    send_capabilities(reply.policy->strictest, reply.policy->differs_by_user);
  else
    send_capabilities(profile_->policy, true);  // the gateway is away: the configuration is known
}

void Pop3Session::send_capabilities(const store::MailboxPolicy& policy, bool differs_by_user) {
  const bool logged_in = state_ != State::authorization;
  const bool tls_missing = profile_->listener.tls == config::TlsMode::required && !tls_active_;
  reply_ok("capabilities follow");
  send("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n");
  send(expire_line(policy, differs_by_user));
  if (const auto delay = profile_->settings.login_delay; delay.count() != 0)
    send(fmt::format("LOGIN-DELAY {}\r\n", delay.count()));
  send("IMPLEMENTATION Postern\r\nUTF8\r\nLANG\r\n");
  if (plaintext_permitted() && !tls_missing) {
    send("USER\r\nSASL ");
    send(kSaslMechanisms);
    send("\r\n");
  }
  if (!logged_in && stls_possible()) send("STLS\r\n");
  send(".\r\n");
}

}  // namespace postern::pop3

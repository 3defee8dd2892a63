#include "sidecars/imap/context.hpp"

#include <fmt/format.h>

#include "runtime/assert.hpp"

namespace postern::imap {

Progress Command::on_reply(Context&, sidecars::MailReply) {
  POSTERN_ASSERT(!"a reply to a command that asked nothing");
  return Progress::done;
}

Progress Command::on_line(Context&, std::string_view) {
  POSTERN_ASSERT(!"a line for a command that wants none");
  return Progress::done;
}

std::string_view to_string(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::logout:
      return "logout";
    case EndReason::client_closed:
      return "client_closed";
    case EndReason::login_timeout:
      return "login_timeout";
    case EndReason::inactivity:
      return "inactivity";
    case EndReason::login_failures:
      return "login_failures";
    case EndReason::protocol_errors:
      return "protocol_errors";
    case EndReason::mailbox_gone:
      return "mailbox_gone";
    case EndReason::store_failure:
      return "store_failure";
    case EndReason::shutdown:
      return "shutdown";
  }
  return "unknown";
}

bool Context::plaintext_login_permitted() const noexcept {
  if (tls_active) return true;
  return profile->listener.login_plaintext && profile->listener.tls != config::TlsMode::required;
}

bool Context::starttls_offered() const noexcept {
  const config::TlsMode mode = profile->listener.tls;
  return !tls_active && profile->tls_available && state == kNotAuthenticated &&
         (mode == config::TlsMode::starttls || mode == config::TlsMode::required);
}

Progress Context::ok(std::string text) {
  completion = {Completion::Status::ok, {}, std::move(text)};
  return Progress::done;
}

Progress Context::no(std::string_view code, std::string text) {
  completion = {Completion::Status::no, code, std::move(text)};
  return Progress::done;
}

Progress Context::bad(std::string text) {
  completion = {Completion::Status::bad, {}, std::move(text)};
  return Progress::done;
}

Progress Context::store_failed(const Error& error) {
  switch (error.code) {
    case ErrorCode::not_found:
      return no("NONEXISTENT", "It does not exist any more");
    case ErrorCode::exhausted:
      return no("LIMIT", "A limit of the mailbox was reached");
    case ErrorCode::permission_denied:
      return no("NOPERM", "That is not permitted");
    case ErrorCode::unavailable:
    case ErrorCode::aborted:
      return no("UNAVAILABLE", "The store is not available, try again later");
    default:
      return no("SERVERBUG", "An internal error happened");
  }
}

Progress Context::ask(sidecars::MailRequest what) {
  POSTERN_ASSERT(!request);
  request = std::move(what);
  return Progress::reply;
}

void Context::untagged(std::string_view text) { out().append("* ").append(text).append("\r\n"); }

void Context::unselect() {
  selected.reset();
  watched.reset();
  if (state == kSelected) state = kAuthenticated;
}

void Context::authenticated(sidecars::LoginReply&& login, std::string_view mechanism) {
  account = login.account;
  account_name = std::move(login.name);
  inbox = login.inbox;
  state = kAuthenticated;
  if (observer != nullptr) observer->login_succeeded(account_name, mechanism);
}

std::string capabilities(const Context& context) {
  // Only what works. LITERAL+ is bounded by command_octets_max; UIDPLUS is UID EXPUNGE until APPEND
  // and COPY are there.
  std::string list =
      "IMAP4rev1 LITERAL+ SASL-IR ENABLE ID IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS";
  list += " STATUS=SIZE";
  if (context.starttls_offered()) list += " STARTTLS";
  if (context.state == kNotAuthenticated) {
    list += context.plaintext_login_permitted() ? " AUTH=PLAIN" : " LOGINDISABLED";
  }
  return list;
}

}  // namespace postern::imap

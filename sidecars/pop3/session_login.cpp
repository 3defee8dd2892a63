// Logins: what USER/PASS and AUTH have in common from the moment name and password are known.
#include <fmt/format.h>
#include <utility>

#include "sidecars/pop3/limits.hpp"
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

// POP-16: whether a password may be said on this connection.
bool Pop3Session::plaintext_permitted() const noexcept {
  return tls_active_ || profile_->listener.login_plaintext;
}

// Forgets who the client said to be. Failed logins stay counted.
void Pop3Session::forget_client() {
  user_.clear();
  user_given_ = false;
  mechanism_.clear();
  sasl_exchange_.reset();
  line_.clear();
}

void Pop3Session::begin_login(std::string user, std::string password, std::string_view mechanism) {
  user_ = std::move(user);
  user_given_ = false;
  mechanism_ = mechanism;
  waiting_ = Waiting::login;
  request_ = sidecars::LoginRequest{user_, std::move(password)};
}

LoginEvent Pop3Session::login_event() const { return {user_, mechanism_, peer_, tls_active_}; }

void Pop3Session::on_login_reply(sidecars::LoginReply reply, Now now) {
  switch (reply.outcome) {
    case sidecars::LoginReply::Outcome::ok:
      account_ = std::move(reply.name);
      policy_ = reply.policy;
      // Watched from before the snapshot: no change can fall between the two.
      watched_ = reply.inbox;
      mailbox_changed_ = false;
      waiting_ = Waiting::maildrop;
      request_ = sidecars::SnapshotRequest{reply.inbox};
      return;
    case sidecars::LoginReply::Outcome::bad_credentials:
      login_failed(now);
      return;
    case sidecars::LoginReply::Outcome::too_soon:
      // Not a failure: the password was right.
      user_.clear();
      reply_error(
          fmt::format("[LOGIN-DELAY] wait {} seconds before the next login", reply.retry_after_s));
      return;
    case sidecars::LoginReply::Outcome::unavailable:
      break;
  }
  // Not reported as a failure, for nobody knows. Counted and held back like one: whoever hears "not
  // now" and comes again at once would otherwise do so for ever, over one connection.
  refuse_login("[SYS/TEMP] logins are not possible at the moment", now);
}

void Pop3Session::on_maildrop_reply(sidecars::SnapshotReply reply, Now now) {
  if (!reply.snapshot) {
    watched_.reset();
    account_.clear();
    refuse_login("[SYS/TEMP] the maildrop cannot be opened at the moment", now);
    return;
  }
  maildrop_ = Maildrop(std::move(*reply.snapshot));
  state_ = State::transaction;
  logon_failures_ = 0;
  if (observer_ != nullptr) observer_->on_login(login_event(), account_);
  user_.clear();
  restart_inactivity_timer(now);
  reply_ok(fmt::format("maildrop has {} messages ({} octets)", maildrop_.available_count(),
                       maildrop_.available_octets()));
}

// The same words for a wrong password and an unknown user.
void Pop3Session::login_failed(Now now) {
  if (observer_ != nullptr) observer_->on_login_failed(login_event());
  refuse_login("[AUTH] wrong user name or password", now);
}

// Counts a login that came to nothing and holds its answer back. `text` is static.
void Pop3Session::refuse_login(std::string_view text, Now now) {
  ++logon_failures_;
  login_refusal_ = text;
  user_.clear();
  if (profile_->failed_login_delay.count() == 0) {
    answer_failed_login();
    return;
  }
  waiting_ = Waiting::penalty;
  output_.deadline = now.mono + profile_->failed_login_delay;
}

void Pop3Session::answer_failed_login() {
  waiting_ = Waiting::nothing;
  const std::uint32_t failures_max = profile_->settings.logon_failures_max;
  if (failures_max == 0 || logon_failures_ < failures_max) {
    reply_error(login_refusal_);
    return;
  }
  reply_error(fmt::format("{}, closing connection", login_refusal_));
  end_session(EndReason::logon_failures);
}

}  // namespace postern::pop3

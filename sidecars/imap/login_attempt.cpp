#include "sidecars/imap/login_attempt.hpp"

#include <utility>

namespace postern::imap {

Progress LoginAttempt::begin(Context& context, std::string user, std::string password,
                             std::string_view mechanism) {
  mechanism_ = mechanism;
  user_ = user;
  return context.ask(sidecars::LoginRequest{std::move(user), std::move(password)});
}

Progress LoginAttempt::on_reply(Context& context, sidecars::LoginReply reply) {
  using Outcome = sidecars::LoginReply::Outcome;
  switch (reply.outcome) {
    case Outcome::ok: {
      context.authenticated(std::move(reply), mechanism_);
      std::string text;
      if (context.modern()) text = "[CAPABILITY " + capabilities(context) + "] ";
      return context.ok(std::move(text) + "Logged in");
    }
    case Outcome::too_soon:  // said to POP3 alone; if it ever comes, coming again is the answer
    case Outcome::unavailable:
      undecided_ = true;
      break;
    case Outcome::bad_credentials:
      if (context.observer != nullptr) context.observer->login_failed(user_, mechanism_);
      break;
  }
  // IMAP-46. The delay comes before the answer, so a guesser cannot hurry on. What could not be
  // decided counts, too: a client that hears "not now" and comes again at once must not do so for
  // as long as its login_timeout.
  ++context.failed_logins;
  waits_ = true;
  context.wake = context.now.mono + kFailedLoginDelay;
  return Progress::timer;
}

Progress LoginAttempt::failed(Context& context) {
  const std::uint32_t most = context.profile->settings.logon_failures_max;
  if (most > 0 && context.failed_logins >= most) {
    context.untagged("BYE Too many failed logins");
    context.end = EndReason::login_failures;
  }
  if (undecided_) {
    return context.no("UNAVAILABLE", "Logins are not possible now, try again later");
  }
  return context.no("AUTHENTICATIONFAILED", "The user name or the password is wrong");
}

}  // namespace postern::imap

// Events of a session that are not input: opening, timers, answers, shutdown.
#include "gateway/smtp/session.hpp"

#include <algorithm>
#include <utility>

#include "runtime/assert.hpp"

namespace postern::smtp {

SmtpSession::SmtpSession(std::shared_ptr<const SmtpProfile> profile, PeerFacts peer,
                         SmtpServices services)
    : conversation_(std::move(profile), std::move(peer), std::move(services), output_) {}

SmtpSession::~SmtpSession() = default;

void SmtpSession::set_directory(store::DirectoryPtr directory) noexcept {
  POSTERN_ASSERT(directory != nullptr);
  conversation_.services.directory = std::move(directory);
}

store::SpoolRequest* SmtpSession::message() noexcept {
  return conversation_.wait == Wait::submit ? conversation_.message.get() : nullptr;
}

std::unique_ptr<store::SpoolRequest> SmtpSession::release_message() noexcept {
  Conversation& c = conversation_;
  if (c.abandoned) return std::move(c.abandoned);
  return std::move(c.message);
}

void SmtpSession::on_open(Now now) {
  begin(now);
  Conversation& c = conversation_;
  POSTERN_ASSERT(c.wait == Wait::open);
  c.wait = Wait::none;
  const SmtpProfile& profile = *c.profile;
  if (profile.connection_timeout > Duration::zero()) {
    c.connection_deadline = now.mono + profile.connection_timeout;
  }
  touch();
  Duration delay{};
  if (c.services.policy != nullptr) delay = c.services.policy->greeting_delay(now);
  if (!c.peer.trusted) delay = std::max(delay, profile.greeting_delay);
  c.hold_back(delay);
  c.greeted = c.wait == Wait::none;
  c.send(profile.greeting);
  settle();
}

void SmtpSession::on_refused(Refusal why, Now now) {
  begin(now);
  Conversation& c = conversation_;
  POSTERN_ASSERT(c.wait == Wait::open);
  // Not held back: whoever refuses a connection wants it to be gone.
  c.wait = Wait::none;
  c.refuse(why);
  settle();
}

void SmtpSession::on_tls(const TlsFacts& tls, Now now) {
  begin(now);
  Conversation& c = conversation_;
  POSTERN_ASSERT(c.wait == Wait::open || c.wait == Wait::handshake || c.ended);
  if (c.ended) return;
  c.tls = tls;
  if (c.wait == Wait::handshake) {
    c.forget_client();
    c.wait = Wait::none;
    touch();
    settle();
  }
}

void SmtpSession::on_end_of_input(Now now) {
  begin(now);
  Conversation& c = conversation_;
  c.input_ended = true;
  settle();
}

void SmtpSession::on_verified(VerifyReply reply, Now now) {
  begin(now);
  Conversation& c = conversation_;
  POSTERN_ASSERT(c.wait == Wait::verify);
  c.wait = Wait::none;
  touch();
  SmtpObserver& observer = *c.services.observer;
  switch (reply.outcome) {
    case VerifyOutcome::ok:
      c.log_in(std::move(reply.identity));
      break;
    case VerifyOutcome::bad_credentials:
      observer.on_auth(c.mechanism_name, c.claimed_user, AuthEvent::failed);
      c.logon_failure(Reply::bad_credentials);
      break;
    case VerifyOutcome::unavailable:
      observer.on_auth(c.mechanism_name, c.claimed_user, AuthEvent::unavailable);
      c.reply(Reply::auth_unavailable);
      break;
  }
  settle();
}

void SmtpSession::on_submitted(Now now) {
  begin(now);
  Conversation& c = conversation_;
  POSTERN_ASSERT(c.wait == Wait::submit && c.message);
  POSTERN_ASSERT(c.message->outcome != store::SpoolOutcome::pending);
  c.wait = Wait::none;
  touch();
  c.message->segment = store::BodySegment();
  const bool durable = c.message->outcome == store::SpoolOutcome::durable;
  // From here on the store may have octets that only an abandon removes.
  if (durable || c.message->body != store::BodyId{}) {
    c.transaction.streamed = !c.transaction.last_submit || c.transaction.streamed;
  }
  if (c.transaction.last_submit) {
    message_committed();
  } else if (!durable) {
    // The rest of the message is read and thrown away; its end gets the answer.
    const bool failed = c.message->outcome == store::SpoolOutcome::failed;
    c.intake.refuse(failed ? Reply::store_failed : Reply::busy);
  }
  run({});
}

void SmtpSession::on_deadline(Now now) {
  begin(now);
  output_.deadline.reset();
  Conversation& c = conversation_;
  if (c.wait == Wait::tarpit && now.mono >= c.held_until) {
    c.wait = Wait::none;
    output_.bytes.append(c.held);
    c.held.clear();
    output_.close = c.ended;
    c.greeted = true;
    touch();
  }
  if (c.wait == Wait::duplicate && now.mono >= c.duplicate_retry_at) {
    c.wait = Wait::none;
    claim();
  }
  if (c.connection_deadline && now.mono >= *c.connection_deadline) {
    expire(EndReason::connection_timeout);
  } else if (c.inactivity_deadline && now.mono >= *c.inactivity_deadline) {
    expire(EndReason::inactivity_timeout);
  } else if (c.data_rate_deadline && now.mono >= *c.data_rate_deadline) {
    check_data_rate();
  }
  settle();
}

void SmtpSession::on_output_sent(Now now) {
  begin(now);
  conversation_.commands_unsent = 0;
}

// RFC 5321 3.1 and 4.3.1: the client waits for the greeting. In place of it, since it was not sent.
void SmtpSession::refuse_early_talker() {
  Conversation& c = conversation_;
  c.held.clear();
  c.wait = Wait::none;
  c.greeted = true;
  append_reply(output_.bytes, Reply::early_talker);
  c.end(EndReason::early_talker);
}

// A grace time of the message is over. What came in it is enough, or the client plays for time.
void SmtpSession::check_data_rate() {
  Conversation& c = conversation_;
  c.data_rate_deadline.reset();
  if (!c.message_in_flight() || c.ended) return;
  const auto grace_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(c.profile->data_rate_grace).count());
  const bool enough = c.data_rate_octets * 1000 >= c.profile->data_octets_per_second_min * grace_ms;
  // While the store has the message, or another session stores the same one, the client cannot
  // send.
  const bool ours = c.wait == Wait::submit || c.wait == Wait::duplicate;
  if (enough || ours) return c.start_data_rate();
  expire(EndReason::slow_data);
}

void SmtpSession::on_shutdown(Now now) {
  begin(now);
  conversation_.shutting_down = true;
  settle();
}

// The client gave a sign of life, or was waiting for us: the inactivity timer starts again.
void SmtpSession::touch() noexcept {
  Conversation& c = conversation_;
  if (c.profile->inactivity_timeout > Duration::zero()) {
    c.inactivity_deadline = c.now.mono + c.profile->inactivity_timeout;
  }
}

// A deadline passed. While an answer is awaited it is remembered: a message whose commit is in
// flight gets its reply, whatever it is.
void SmtpSession::expire(EndReason reason) {
  Conversation& c = conversation_;
  if (c.ended) return;
  if (c.wait == Wait::verify || c.wait == Wait::submit) {
    c.late = reason;
    c.connection_deadline.reset();
    c.inactivity_deadline.reset();
    return;
  }
  say_farewell(reason);
}

// 421 and close, at once: held replies go first, no held reply delays it.
void SmtpSession::say_farewell(EndReason reason) {
  Conversation& c = conversation_;
  const bool handshaking = c.wait == Wait::handshake;
  output_.bytes.append(c.held);
  c.held.clear();
  c.wait = Wait::none;
  Reply reply = Reply::shutting_down;
  if (reason == EndReason::inactivity_timeout) reply = Reply::timeout_inactive;
  if (reason == EndReason::connection_timeout) reply = Reply::timeout_total;
  if (reason == EndReason::slow_data) reply = Reply::data_too_slow;
  // Clear text in the middle of a TLS handshake would mean nothing to the client.
  if (!handshaking && !c.input_ended) append_reply(output_.bytes, reply);
  c.end(reason);
}

// The end of every event: ends the session if it is time, and sets the deadline.
void SmtpSession::settle() {
  Conversation& c = conversation_;
  const bool answer_awaited = c.wait == Wait::verify || c.wait == Wait::submit;
  if (!c.ended && !answer_awaited && c.wait != Wait::open) {
    if (c.input_ended) {
      c.held.clear();
      c.wait = Wait::none;
      c.end(EndReason::client_closed);
    } else if (c.late) {
      say_farewell(*c.late);
    } else if (c.shutting_down && !c.message_in_flight() && c.wait != Wait::handshake) {
      say_farewell(EndReason::shutdown);
    }
  }
  if (c.ended && c.wait == Wait::tarpit && (c.input_ended || c.shutting_down)) {
    output_.bytes.append(c.held);
    c.held.clear();
    c.wait = Wait::none;
    output_.close = true;
  }
  set_deadline();
}

// The driver's timer is moved only when it would fire too late: a busy session changes its
// inactivity deadline with every command, and its timer once a timeout.
void SmtpSession::set_deadline() {
  const Conversation& c = conversation_;
  std::optional<MonoTime> wanted;
  const auto consider = [&wanted](const std::optional<MonoTime>& at) {
    if (at && (!wanted || *at < *wanted)) wanted = at;
  };
  if (c.wait == Wait::tarpit) consider(c.held_until);
  if (c.wait == Wait::duplicate) consider(c.duplicate_retry_at);
  if (!c.ended) {
    consider(c.connection_deadline);
    consider(c.inactivity_deadline);
    consider(c.data_rate_deadline);
  }
  if (!wanted) {
    output_.deadline.reset();
  } else if (!output_.deadline || *wanted < *output_.deadline) {
    output_.deadline = wanted;
  }
}

}  // namespace postern::smtp

#include "gateway/smtp_connection.hpp"

#include <algorithm>
#include <utility>

#include "gateway/core.hpp"
#include "gateway/login_penalty.hpp"
#include "runtime/assert.hpp"
#include "runtime/log.hpp"

namespace postern::gateway {

namespace {

using log::Level;

// Until a full queue is asked again to take the end of a message that was given up: it empties with
// every group, some milliseconds each. Nobody waits for it.
constexpr Duration kAbandonAgain = std::chrono::milliseconds(100);

smtp::VerifyReply to_reply(const store::AuthOutcome& outcome) {
  using Kind = store::AuthOutcome::Kind;
  switch (outcome.kind) {
    case Kind::ok:
      return {smtp::VerifyOutcome::ok, outcome.name};
    case Kind::bad_credentials:
      return {smtp::VerifyOutcome::bad_credentials, {}};
    case Kind::unavailable:
      return {smtp::VerifyOutcome::unavailable, {}};
  }
  return {};
}

// MS-OXSMTP 3.2.7 has one answer for "not configured for you" (SMTP-15) and another for an address
// that a gateway (RFC 5321 2.3.10: our relay role) was told to refuse (SMTP-18).
smtp::Refusal refusal_of(Verdict verdict, config::SmtpListenerSettings::Role role) {
  switch (verdict) {
    case Verdict::denied:
      return role == config::SmtpListenerSettings::Role::relay
                 ? smtp::Refusal::address_not_allowed
                 : smtp::Refusal::binding_not_configured;
    case Verdict::not_allowed:
      return smtp::Refusal::binding_not_configured;
    case Verdict::per_source:
      return smtp::Refusal::connections_per_source;
    case Verdict::connections:
    case Verdict::admitted:
      break;
  }
  return smtp::Refusal::connections;
}

// The counter of the limit that ended a session; kMetricCount: it was none.
Metric limit_of(smtp::EndReason reason) noexcept {
  switch (reason) {
    case smtp::EndReason::connection_timeout:
      return kLimitConnectionTimeout;
    case smtp::EndReason::inactivity_timeout:
      return kLimitInactivityTimeout;
    case smtp::EndReason::protocol_errors:
      return kLimitProtocolErrors;
    case smtp::EndReason::logon_failures:
      return kLimitLogonFailures;
    case smtp::EndReason::transactions:
      return kLimitTransactions;
    default:
      return kMetricCount;
  }
}

// The same of the limit that a refusal names.
Metric limit_of(std::string_view reply) noexcept {
  using smtp::Reply;
  constexpr std::pair<Reply, Metric> kLimits[] = {
      {Reply::message_too_big, kLimitMessageOctets},
      {Reply::header_too_big, kLimitHeaderOctets},
      {Reply::too_many_recipients, kLimitRecipients},
      {Reply::too_many_hops, kLimitHops},
      {Reply::local_loop, kLimitLocalHops},
      {Reply::mailbox_full, kRecipientsOverQuota},
      {Reply::larger_than_mailbox, kRecipientsOverQuota}};
  for (const auto& [refusal, limit] : kLimits) {
    if (reply == smtp::text_of(refusal)) return limit;
  }
  return kMetricCount;
}

}  // namespace

SmtpConnection::SmtpConnection(GatewayCore& core, ListenerState& listener, Arrival arrival,
                               ConnectionOptions options)
    : Connection(core.loop(), std::move(arrival.fd), options),
      core_(core),
      listener_(listener),
      admission_(std::move(arrival.admission)),
      policy_(core.policy(), listener.policy, arrival.peer),
      session_(listener.profile, std::move(arrival.peer),
               {.ids = &core.message_ids(),
                .observer = this,
                .policy = &policy_,
                .directory = core.directory(),
                .duplicates = core.shared().duplicates.get(),
                .clients = this,
                .quotas = &core.shared().engine->quotas()}) {}

SmtpConnection::~SmtpConnection() {
  core_.count_held_octets(-held_octets_);
  core_.cells().set(kConnectionsOpen, core_.cells().get(kConnectionsOpen) - 1);
}

void SmtpConnection::refuse(Verdict why) { refusal_ = refusal_of(why, listener_.settings.role); }

std::optional<smtp::Refusal> SmtpConnection::admit(const PeerFacts& client) {
  const auto address = IpAddress::parse(client.address);
  const Verdict verdict =
      address ? listener_.gate->rename(admission_, *address) : Verdict::not_allowed;
  if (verdict == Verdict::admitted) return std::nullopt;
  core_.count_refusal(listener_, client, verdict);
  return refusal_of(verdict, listener_.settings.role);
}

void SmtpConnection::on_closed() { core_.connections().remove(this); }

void SmtpConnection::open_session(Now now) {
  if (!refusal_ && policy_.refuses_connection()) refusal_ = smtp::Refusal::out_of_resources;
  if (refusal_) {
    session_.on_refused(*refusal_, now);
  } else {
    session_.on_open(now);
  }
}

// --- what the session asks
// -----------------------------------------------------------------------------

void SmtpConnection::after_session_call() {
  while (session_.request()) {
    smtp::SmtpRequest request = std::move(*session_.request());
    session_.request().reset();
    if (auto* credentials = std::get_if<smtp::VerifyRequest>(&request)) {
      verify(std::move(*credentials));
    } else if (std::holds_alternative<smtp::SubmitRequest>(request)) {
      submit();
    } else {
      abandon();
    }
  }
  account_memory();
}

// What the message holds in memory: octets not handed over yet, and those in the store's hands.
void SmtpConnection::account_memory() {
  auto held = static_cast<std::int64_t>(session_.conversation().intake.body().buffered());
  if (const store::SpoolRequest* message = session_.message(); message != nullptr) {
    held += static_cast<std::int64_t>(message->segment.octets);
  }
  if (held == held_octets_) return;
  core_.count_held_octets(held - held_octets_);
  held_octets_ = held;
}

void SmtpConnection::verify(smtp::VerifyRequest request) {
  store::Authenticator& authenticator = *core_.shared().authenticator;
  std::optional<policy::LoginGuard::Attempt> attempt;
  if (!peer().trusted) {
    attempt = core_.shared().policy->begin_login(peer().address, request.user, *core_.directory(),
                                                 loop().now().mono);
    if (!attempt->verify) return answer_login(request.user, {}, attempt);
  }
  if (auto known = authenticator.verify_cached(request.user, request.password, loop().now().mono)) {
    return answer_login(request.user, std::move(*known), attempt);
  }
  ++answers_outstanding_;
  EventLoop& home = loop();
  const bool taken = core_.shared().workers->submit(
      [this, &home, &authenticator, attempt, request = std::move(request)] {
        auto outcome = authenticator.verify(request.user, request.password, read_clocks().mono);
        home.post([this, attempt, user = request.user, outcome = std::move(outcome)]() mutable {
          --answers_outstanding_;
          answer_login(user, std::move(outcome), attempt);
          after_session_call();
          resume();
        });
      });
  if (!taken) {  // more logins than the pool can hash: the client may try again
    --answers_outstanding_;
    session_.on_verified({smtp::VerifyOutcome::unavailable, {}}, loop().now());
  }
}

// The answer to a login, now or when its penalty is over.
void SmtpConnection::answer_login(std::string_view user, store::AuthOutcome outcome,
                                  const std::optional<policy::LoginGuard::Attempt>& attempt) {
  const MonoTime now = loop().now().mono;
  policy::LoginGuard::Answer answer{.at = now};
  if (attempt) answer = core_.shared().policy->finish_login(*attempt, outcome, now);
  note_login_penalty(core_.cells(), {.protocol = "smtp", .client = peer().address, .user = user},
                     answer, now);
  if (answer.at <= now) return session_.on_verified(to_reply(outcome), loop().now());
  ++answers_outstanding_;
  held_login_ =
      std::make_unique<DelayedCall>(loop(), answer.at, [this, outcome = std::move(outcome)] {
        --answers_outstanding_;
        session_.on_verified(to_reply(outcome), loop().now());
        after_session_call();
        resume();
      });
}

void SmtpConnection::answer_held_login() {
  if (held_login_) held_login_->run();
}

void SmtpConnection::submit() {
  store::SpoolRequest* message = session_.message();
  POSTERN_ASSERT(message != nullptr);
  message->core = core_.index();
  message->owner = static_cast<SpoolOwner*>(this);
  if (core_.shared().engine->submit(message)) {
    ++answers_outstanding_;
    return;
  }
  message->outcome = store::SpoolOutcome::store_busy;
  message->error = "the commit queue is full";
  session_.on_submitted(loop().now());
}

void SmtpConnection::abandon() {
  std::unique_ptr<store::SpoolRequest> message = session_.release_message();
  if (!message) return;
  message->abandon = true;
  message->core = core_.index();
  message->owner = static_cast<SpoolOwner*>(this);
  abandoned_.push_back(std::move(message));
  ++answers_outstanding_;
  submit_abandoned();
}

// Until the store takes them: chunks that nobody gives up stay on disk until the next start.
void SmtpConnection::submit_abandoned() {
  while (abandoned_submitted_ < abandoned_.size() &&
         core_.shared().engine->submit(abandoned_[abandoned_submitted_].get())) {
    ++abandoned_submitted_;
  }
  if (abandoned_submitted_ == abandoned_.size()) return;
  abandon_again_ = std::make_unique<DelayedCall>(loop(), loop().now().mono + kAbandonAgain,
                                                 [this] { submit_abandoned(); });
}

void SmtpConnection::on_spool_completion(store::SpoolRequest* request) {
  --answers_outstanding_;
  const auto given_up =
      std::ranges::find(abandoned_, request, &std::unique_ptr<store::SpoolRequest>::get);
  if (given_up != abandoned_.end()) {
    abandoned_.erase(given_up);
    --abandoned_submitted_;
  } else {
    session_.on_submitted(loop().now());
    after_session_call();
  }
  resume();
}

// --- what the session tells
// ----------------------------------------------------------------------------

void SmtpConnection::count_limit(Metric limit) {
  if (limit != kMetricCount) core_.cells().add(limit);
}

void SmtpConnection::on_message_accepted(const store::SpoolRequest& message) {
  core_.cells().add(kMessagesAccepted);
  core_.cells().add(kMessageOctetsAccepted, message.size_octets);
  core_.cells().add(kRecipientsAccepted, message.envelope.recipients.size());
  log::event(Level::info, "smtp.message.accepted",
             {{"id", message.id},
              {"listener", listener_.settings.name},
              {"client", peer().address},
              {"identity", message.envelope.identity},
              {"sender", message.envelope.reverse_path},
              {"recipients", message.envelope.recipients.size()},
              {"recipient", message.envelope.recipients.empty()
                                ? std::string_view{}
                                : std::string_view(message.envelope.recipients.front().address)},
              {"octets", message.size_octets}});
}

void SmtpConnection::on_message_repeated(const store::SpoolRequest& message,
                                         std::string_view first_id) {
  core_.cells().add(kMessagesRepeated);
  log::event(Level::info, "smtp.message.repeated",
             {{"id", first_id},
              {"again", message.id},
              {"listener", listener_.settings.name},
              {"client", peer().address},
              {"identity", message.envelope.identity},
              {"sender", message.envelope.reverse_path}});
}

void SmtpConnection::on_message_refused(const store::SpoolRequest& message,
                                        std::string_view reply) {
  core_.cells().add(kMessagesRefused);
  count_limit(limit_of(reply));
  const bool ours = message.outcome != store::SpoolOutcome::pending &&
                    message.outcome != store::SpoolOutcome::durable;
  log::event(ours ? Level::warn : Level::info, "smtp.message.refused",
             {{"id", message.id},
              {"listener", listener_.settings.name},
              {"client", peer().address},
              {"sender", message.envelope.reverse_path},
              {"reply", reply},
              {"cause", message.error}});
}

void SmtpConnection::on_sender_refused(std::string_view argument, std::string_view reply) {
  core_.cells().add(kSendersRefused);
  count_limit(limit_of(reply));
  log::event(Level::info, "smtp.sender.refused",
             {{"listener", listener_.settings.name},
              {"client", peer().address},
              {"argument", argument},
              {"reply", reply}});
}

void SmtpConnection::on_recipient_refused(std::string_view address, std::string_view reply) {
  core_.cells().add(kRecipientsRefused);
  count_limit(limit_of(reply));
  log::event(Level::info, "smtp.recipient.refused",
             {{"listener", listener_.settings.name},
              {"client", peer().address},
              {"recipient", address},
              {"reply", reply}});
}

void SmtpConnection::on_auth(std::string_view mechanism, std::string_view user,
                             smtp::AuthEvent event) {
  const bool ok = event == smtp::AuthEvent::ok;
  core_.cells().add(ok                                      ? kAuthOk
                    : event == smtp::AuthEvent::unavailable ? kAuthUnavailable
                                                            : kAuthFailed);
  log::event(Level::info, ok ? "smtp.auth.ok" : "smtp.auth.failed",
             {{"listener", listener_.settings.name},
              {"client", peer().address},
              {"mechanism", mechanism},
              {"user", user},
              {"outcome", smtp::name_of(event)}});
}

void SmtpConnection::on_session_end(const smtp::SessionSummary& summary) {
  count_limit(limit_of(summary.reason));
  if (summary.reason == smtp::EndReason::pipelining) core_.cells().add(kPipeliningViolations);
  if (summary.reason == smtp::EndReason::early_talker) core_.cells().add(kEarlyTalkers);
  if (summary.reason == smtp::EndReason::slow_data) core_.cells().add(kSlowMessages);
  log::event(Level::info, "smtp.session.end",
             {{"listener", listener_.settings.name},
              {"client", peer().address},
              {"port", peer().port},
              {"proxy", peer().proxy},
              {"hello", summary.hello},
              {"identity", summary.identity},
              {"reason", smtp::name_of(summary.reason)},
              {"accepted", summary.messages_accepted},
              {"refused", summary.messages_refused},
              {"recipients_refused", summary.recipients_refused},
              {"protocol_errors", summary.protocol_errors},
              {"logon_failures", summary.logon_failures},
              {"commands", summary.commands}});
}

void SmtpConnection::on_tls_open(const TlsFacts& facts) {
  const bool shown = !facts.client_certificate.empty();
  log::event(shown ? Level::info : Level::debug, "smtp.tls.open",
             {{"listener", listener_.settings.name},
              {"client", peer().address},
              {"version", facts.version},
              {"cipher", facts.cipher},
              {"server_name", facts.server_name},
              {"certificate", facts.client_certificate},
              {"verified", !shown                  ? ""
                           : facts.client_verified ? "yes"
                                                   : "no"}});
}

void SmtpConnection::on_tls_failure(const std::string& error) {
  core_.cells().add(kTlsHandshakeFailures);
  log::event(Level::info, "smtp.tls.failed",
             {{"listener", listener_.settings.name}, {"client", peer().address}, {"cause", error}});
}

}  // namespace postern::gateway

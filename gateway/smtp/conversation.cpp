#include "gateway/smtp/conversation.hpp"

#include <utility>

#include "gateway/smtp/trace.hpp"
#include "runtime/assert.hpp"

namespace postern::smtp {

namespace {

Reply reply_for(Refusal why) noexcept {
  switch (why) {
    case Refusal::out_of_resources:
      return Reply::refused_resources;
    case Refusal::unavailable:
      return Reply::refused_unavailable;
    case Refusal::binding_not_configured:
      return Reply::refused_binding;
    case Refusal::connections:
      return Reply::refused_connections;
    case Refusal::connections_per_source:
      return Reply::refused_per_source;
    case Refusal::address_not_allowed:
      return Reply::address_refused;
  }
  return Reply::refused_unavailable;
}

}  // namespace

Conversation::Conversation(std::shared_ptr<const SmtpProfile> for_profile, PeerFacts for_peer,
                           SmtpServices with_services, SessionOutput& output)
    : profile(std::move(for_profile)),
      peer(std::move(for_peer)),
      xclient_allowed(peer.trusted && profile->rules.xclient),
      services(std::move(with_services)),
      out(output) {
  POSTERN_ASSERT(profile != nullptr);
  POSTERN_ASSERT(services.ids != nullptr);
  POSTERN_ASSERT(services.observer != nullptr);
  POSTERN_ASSERT(services.directory != nullptr);
}

void Conversation::reply(Reply which, std::string_view argument) {
  const bool error = line_of(which).front() >= '4';
  if (error && !authenticated() && !peer.trusted && profile->tarpit_delay > Duration::zero() &&
      wait == Wait::none && !input_ended) {
    hold_back(profile->tarpit_delay);
    if (services.policy != nullptr) services.policy->on_error_held_back(now);
  }
  append_reply(sink(), which, argument);
}

void Conversation::hold_back(Duration delay) {
  POSTERN_ASSERT(wait == Wait::none);
  if (delay <= Duration::zero()) return;
  wait = Wait::tarpit;
  held_until = now.mono + delay;
}

void Conversation::start_data_rate() noexcept {
  if (profile->data_octets_per_second_min == 0 || data_rate_deadline) return;
  data_rate_octets = 0;
  data_rate_deadline = now.mono + profile->data_rate_grace;
}

void Conversation::protocol_error(Reply which) {
  ++counters.protocol_errors;
  const std::uint32_t max = profile->protocol_errors_max;
  if (max != 0 && counters.protocol_errors > max) {
    end_with(Reply::too_many_protocol_errors, EndReason::protocol_errors);
  } else {
    reply(which);
  }
}

void Conversation::mail_error(Reply which) {
  sender_refused = !transaction.open;
  protocol_error(which);
}

void Conversation::error_behind_mail(Reply which) {
  if (sender_refused) {
    reply(which);
  } else {
    protocol_error(which);
  }
}

void Conversation::refuse(Refusal why) { cut_off(reply_for(why), EndReason::refused); }

void Conversation::log_in(std::string who) {
  POSTERN_ASSERT(!who.empty());
  if (!profile->access.admits(who)) {  // right account, wrong listener
    services.observer->on_auth(mechanism_name, who, AuthEvent::not_here);
    return end_with(Reply::refused_binding, EndReason::refused);
  }
  identity = std::move(who);
  services.observer->on_auth(mechanism_name, identity, AuthEvent::ok);
  reply(Reply::auth_ok);
}

void Conversation::logon_failure(Reply which) {
  ++counters.logon_failures;
  const std::uint32_t max = profile->logon_failures_max;
  if (max != 0 && counters.logon_failures > max) {
    end_with(Reply::too_many_logon_failures, EndReason::logon_failures);
  } else {
    reply(which);
  }
}

// Not held back: the client need not know the limit, and its next connection is welcome.
bool Conversation::count_transaction() {
  ++counters.transactions;
  const std::uint32_t max = profile->transactions_max;
  if (max == 0 || counters.transactions <= max) return true;
  cut_off(Reply::too_many_transactions, EndReason::transactions);
  return false;
}

void Conversation::end_with(Reply which, EndReason reason) {
  reply(which);
  end(reason);
}

void Conversation::cut_off(Reply which, EndReason reason) {
  append_reply(out.bytes, which);
  end(reason);
}

void Conversation::end(EndReason reason) {
  if (ended) return;
  POSTERN_ASSERT(wait != Wait::submit);
  ended = true;
  reset_transaction();
  end_auth_exchange();
  out.close = wait != Wait::tarpit;  // a held reply goes out first
  services.observer->on_session_end(SessionSummary{
      .reason = reason,
      .hello = hello_name,
      .identity = identity,
      .messages_accepted = counters.messages_accepted,
      .messages_refused = counters.messages_refused,
      .recipients_refused = counters.recipients_refused,
      .protocol_errors = counters.protocol_errors,
      .logon_failures = counters.logon_failures,
      .commands = counters.commands,
  });
}

Offers Conversation::offers() const noexcept {
  const config::SmtpRuleSettings& rules = profile->rules;
  return Offers{.auth = profile->auth,
                .binarymime = rules.binarymime,
                .dsn = rules.dsn,
                .require_tls = rules.require_tls && tls.has_value(),
                .mt_priority = rules.mt_priority,
                .deliver_by = rules.deliver_by,
                .hold_max_ms = profile->offers_hold() ? rules.hold_max.count() * 1000 : 0};
}

void Conversation::open_transaction(std::string_view reverse_path, MailParameters& parameters) {
  POSTERN_ASSERT(!transaction.open);
  transaction = Transaction{.open = true,
                            .declared_octets = parameters.size_octets.value_or(0),
                            .times = parameters.times};
  sender_refused = false;
  if (!message) message = std::make_unique<store::SpoolRequest>();
  message->segment = store::BodySegment();
  message->size_octets = 0;
  message->relay_offset_octets = 0;
  message->last = true;
  message->abandon = false;
  message->body = store::BodyId{};
  message->outcome = store::SpoolOutcome::pending;
  message->error.clear();
  message->id.clear();
  store::Envelope& envelope = message->envelope;
  envelope.reverse_path.assign(reverse_path);
  envelope.recipients.clear();
  envelope.identity = identity;
  envelope.client.assign(peer.address).append(" ").append(hello_name);
  envelope.smtputf8 = parameters.smtputf8;
  envelope.body_8bit = parameters.body_8bit;
  envelope.options = std::move(parameters.options);
}

void Conversation::start_message() {
  POSTERN_ASSERT(transaction.open);
  data_rate_deadline.reset();  // of a chunk that was refused before
  start_data_rate();
  services.ids->next(now, message->id);
  message->arrival_unix_ms = now.unix_ms;
  const config::SmtpRuleSettings& rules = profile->rules;
  const bool remembered = services.duplicates != nullptr && rules.duplicate_window.count() != 0;
  intake.start(*profile,
               MessageIntake::Plan{
                   .binary = message->envelope.options.body_binary,
                   .watch_header = rules.add_missing_fields || rules.remove_bcc || remembered,
                   .digest = remembered,
                   .digest_seed = remembered ? services.duplicates->seed() : 0,
                   .edits = {.add_missing = rules.add_missing_fields,
                             .remove_bcc = rules.remove_bcc,
                             .unix_ms = now.unix_ms,
                             .id = message->id,
                             .hostname = profile->hostname},
               });
  data_reader.start();
  newline_check.start();
  trace.clear();
  append_return_path(trace, message->envelope.reverse_path);
  message->relay_offset_octets = static_cast<std::uint32_t>(trace.size());
  append_received(trace, ReceivedFacts{
                             .hello_name = hello_name,
                             .address = peer.address,
                             .is_ipv6 = peer.is_ipv6,
                             .hide_client = rules.hide_client_address && authenticated(),
                             .hostname = profile->hostname,
                             .extended = hello == Hello::ehlo,
                             .authenticated = authenticated(),
                             .smtputf8 = message->envelope.smtputf8,
                             .tls = tls ? &*tls : nullptr,
                             .id = message->id,
                             .only_recipient = message->envelope.recipients.size() == 1
                                                   ? message->envelope.recipients.front().address
                                                   : std::string_view{},
                             .unix_ms = now.unix_ms,
                         });
  intake.trace(trace);
}

void Conversation::abandon_message() {
  if (!transaction.streamed) return;
  POSTERN_ASSERT(!abandoned && !request);
  transaction.streamed = false;
  message->segment = store::BodySegment();
  message->last = true;
  abandoned = std::move(message);
  request = AbandonRequest{};
}

void Conversation::release_claim() {
  if (!transaction.claimed) return;
  services.duplicates->release(*transaction.fingerprint, message->id);
  transaction.claimed = false;
}

void Conversation::reset_transaction() {
  release_claim();
  abandon_message();
  transaction = Transaction();
  sender_refused = false;
  data_rate_deadline.reset();
  intake.start(*profile);
}

void Conversation::end_auth_exchange() {
  mechanism.reset();
  mode = InputMode::command;
}

void Conversation::forget_client() {
  reset_transaction();
  end_auth_exchange();
  hello = Hello::none;
  hello_name.clear();
  identity.clear();
}

}  // namespace postern::smtp

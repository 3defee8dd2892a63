// A message on its way through a session: DATA and BDAT octets in, submits out.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <utility>

#include "gateway/smtp/session.hpp"
#include "runtime/assert.hpp"

namespace postern::smtp {

namespace {

// How often a session asks whether another one has stored the same message, and for how long. A
// commit takes milliseconds; a client waits ten minutes for the answer (RFC 5321 4.5.3.2.6), so a
// store that is stuck for half a minute is no reason to store the message twice.
constexpr Duration kDuplicateRetryInterval = std::chrono::milliseconds(20);
constexpr Duration kDuplicateWaitMax = std::chrono::seconds(30);

// A message that is sent again with other options is meant to be another one. Times count as the
// client said them: HOLDFOR=60 is the same a minute later, though it ends at another time.
void feed_options(ContentDigest& digest, const store::Envelope& envelope, const AskedTimes& times) {
  const store::EnvelopeOptions& options = envelope.options;
  const std::array<std::int64_t, 10> numbers = {
      envelope.smtputf8 ? 1 : 0,
      envelope.body_8bit ? 1 : 0,
      options.body_binary ? 1 : 0,
      options.require_tls ? 1 : 0,
      static_cast<std::int64_t>(options.dsn_return),
      static_cast<std::int64_t>(options.deliver_by_mode),
      options.deliver_by_trace ? 1 : 0,
      options.priority,
      times.deliver_by,
      times.hold,
  };
  const auto octets = std::bit_cast<std::array<char, sizeof numbers>>(numbers);
  digest.feed_field(std::string_view(octets.data(), octets.size()));
  digest.feed_field(options.envelope_id);
}

}  // namespace

// The memory budget holds for messages that were begun while there was room, too. Their octets are
// read and thrown away from here on; the end gets the answer.
void SmtpSession::refuse_without_memory() {
  Conversation& c = conversation_;
  if (c.intake.refusal() || c.services.policy == nullptr) return;
  if (!c.services.policy->has_memory(c.intake.body().buffered())) c.intake.refuse(Reply::busy);
}

// Takes octets behind DATA's 354: as many as may be held in memory.
std::size_t SmtpSession::take_data(std::string_view in) {
  Conversation& c = conversation_;
  std::size_t taken = 0;
  refuse_without_memory();
  while (taken < in.size()) {
    const std::string_view rest = in.substr(taken, c.intake.room());
    const DataReader::Piece piece = c.data_reader.next(rest);
    taken += piece.consumed;
    if (piece.bare_newline) {
      c.intake.bare(piece.content.front());
    } else {
      c.intake.content(piece.content);
    }
    if (piece.end) {
      c.mode = InputMode::command;
      end_of_message();
      break;
    }
    if (c.intake.wants_spill()) {
      submit_full_chunks();
      break;
    }
  }
  return taken;
}

// Takes octets of a BDAT chunk.
std::size_t SmtpSession::take_chunk(std::string_view in) {
  Conversation& c = conversation_;
  std::uint64_t wanted = std::min<std::uint64_t>(in.size(), c.transaction.chunk_octets_left);
  if (!c.transaction.chunk_refusal) refuse_without_memory();
  if (!c.transaction.chunk_refusal && !c.intake.refusal()) {
    wanted = std::min<std::uint64_t>(wanted, c.intake.room());
    take_chunk_content(in.substr(0, wanted));
  }
  c.transaction.chunk_octets_left -= wanted;
  if (!c.transaction.chunk_refusal && c.intake.wants_spill()) submit_full_chunks();
  return wanted;
}

// Octets of a chunk that may be held in memory.
void SmtpSession::take_chunk_content(std::string_view octets) {
  Conversation& c = conversation_;
  if (c.message->envelope.options.body_binary) {
    c.intake.content(octets);
    return;
  }
  while (!octets.empty()) {
    const NewlineCheck::Piece piece = c.newline_check.next(octets);
    octets.remove_prefix(piece.content.size());
    if (piece.bare_newline) {
      c.intake.bare(piece.content.front());
    } else {
      c.intake.content(piece.content);
    }
    if (c.intake.refusal()) return;  // the rest is thrown away: no need to look at it
  }
}

// All octets of a BDAT chunk are here.
void SmtpSession::finish_chunk() {
  Conversation& c = conversation_;
  c.mode = InputMode::command;
  if (c.transaction.chunk_refusal) {
    const Reply why = *std::exchange(c.transaction.chunk_refusal, std::nullopt);
    if (why == Reply::no_recipients) {
      c.reply(why);  // see DATA
    } else {
      c.error_behind_mail(why);
    }
    return;
  }
  if (c.transaction.last_chunk) {
    end_of_message();
    return;
  }
  if (c.intake.refusal()) {
    refuse_chunk(*c.intake.refusal());
    return;
  }
  std::array<char, 20> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), c.transaction.chunk_octets);
  c.reply(Reply::chunk_received,
          std::string_view(digits.data(), static_cast<std::size_t>(end.ptr - digits.data())));
}

// The message is complete: it is refused, or its rest goes to the store.
void SmtpSession::end_of_message() {
  Conversation& c = conversation_;
  c.intake.finish();
  if (!c.intake.refusal() && c.services.policy != nullptr &&
      !c.services.policy->admit_octets(c.identity, c.intake.content_octets(), c.now)) {
    c.intake.refuse(Reply::octet_rate_exceeded);
  }
  if (c.intake.refusal()) {
    refuse_message(*c.intake.refusal());
    return;
  }
  if (wants_claim()) {
    c.duplicate_give_up_at = c.now.mono + kDuplicateWaitMax;
    claim();
  } else {
    submit_rest();
  }
}

// Messages without a Message-ID of their own are never taken for each other: two of the same
// content can be two mails (a monitor's, for example).
bool SmtpSession::wants_claim() const noexcept {
  const Conversation& c = conversation_;
  return c.services.duplicates != nullptr && c.profile->rules.duplicate_window.count() != 0 &&
         c.intake.has_message_id();
}

// Who sent what to whom: who he is (before AUTH: where he is), the envelope with its options, the
// content. The order of recipients counts: a client that repeats a message repeats that.
Fingerprint SmtpSession::fingerprint() {
  Conversation& c = conversation_;
  const store::Envelope& envelope = c.message->envelope;
  ContentDigest& digest = c.intake.digest();
  digest.feed_field(c.authenticated() ? std::string_view("identity") : std::string_view("address"));
  digest.feed_field(c.authenticated() ? c.identity : c.peer.address);
  digest.feed_field(envelope.reverse_path);
  feed_options(digest, envelope, c.transaction.times);
  for (const store::EnvelopeRecipient& recipient : envelope.recipients) {
    digest.feed_field(recipient.address);
    const auto notify = static_cast<char>(recipient.options.notify);
    digest.feed_field(std::string_view(&notify, 1));
    digest.feed_field(recipient.options.orcpt);
  }
  return digest.finish();
}

// Stores the message unless it is stored already. Another session that is storing it right now is
// waited for: its outcome decides.
void SmtpSession::claim() {
  Conversation& c = conversation_;
  if (!c.transaction.fingerprint) c.transaction.fingerprint = fingerprint();
  std::string id = c.message->id;
  switch (c.services.duplicates->claim(*c.transaction.fingerprint, id, c.now)) {
    case DuplicateMemory::Claim::fresh:
      c.transaction.claimed = true;
      submit_rest();
      return;
    case DuplicateMemory::Claim::repeated:
      ++c.counters.messages_accepted;
      c.reply(Reply::queued, id);
      c.services.observer->on_message_repeated(*c.message, id);
      c.reset_transaction();
      return;
    case DuplicateMemory::Claim::in_flight:
      if (c.now.mono >= c.duplicate_give_up_at) {
        refuse_message(Reply::duplicate_in_flight);
        return;
      }
      c.wait = Wait::duplicate;
      c.duplicate_retry_at = c.now.mono + kDuplicateRetryInterval;
      return;
  }
}

void SmtpSession::submit_rest() {
  Conversation& c = conversation_;
  c.message->segment = c.intake.body().take_rest();
  c.message->size_octets = c.intake.body().size();
  c.message->last = true;
  submit(true);
}

// Leading chunks of a large message go to the store; nothing is read until they are written.
void SmtpSession::submit_full_chunks() {
  Conversation& c = conversation_;
  c.message->segment = c.intake.body().take_full_chunks();
  POSTERN_ASSERT(!c.message->segment.pieces.empty());
  c.message->last = false;
  submit(false);
}

void SmtpSession::submit(bool last) {
  Conversation& c = conversation_;
  POSTERN_ASSERT(!c.request);
  c.message->outcome = store::SpoolOutcome::pending;
  c.transaction.last_submit = last;
  c.wait = Wait::submit;
  c.request = SubmitRequest{};
}

// The store has answered the last submit.
void SmtpSession::message_committed() {
  Conversation& c = conversation_;
  switch (c.message->outcome) {
    case store::SpoolOutcome::durable:
      ++c.counters.messages_accepted;
      c.transaction.streamed = false;  // nothing to abandon any more
      if (c.transaction.claimed) {
        c.transaction.claimed = false;
        c.services.duplicates->remember(*c.transaction.fingerprint, c.message->id, c.now,
                                        c.profile->rules.duplicate_window);
      }
      c.reply(Reply::queued, c.message->id);
      c.services.observer->on_message_accepted(*c.message);
      c.reset_transaction();
      return;
    case store::SpoolOutcome::store_busy:
    case store::SpoolOutcome::no_space:
      refuse_message(Reply::busy);
      return;
    case store::SpoolOutcome::failed:
    case store::SpoolOutcome::pending:
      refuse_message(Reply::store_failed);
      return;
  }
}

void SmtpSession::refuse_message(Reply why) {
  Conversation& c = conversation_;
  report_refusal(why);
  c.reply(why);
  c.reset_transaction();
}

// A chunk of a message that is refused already. Each chunk gets that answer, and the transaction is
// dead until LAST or RSET (RFC 3030 section 2).
void SmtpSession::refuse_chunk(Reply why) {
  report_refusal(why);
  conversation_.reply(why);
}

// Tells the observer, once a message.
void SmtpSession::report_refusal(Reply why) {
  Conversation& c = conversation_;
  if (c.transaction.refusal_reported) return;
  c.transaction.refusal_reported = true;
  ++c.counters.messages_refused;
  c.services.observer->on_message_refused(*c.message, text_of(why));
}

}  // namespace postern::smtp

// A message on its way through a session: DATA and BDAT octets in, submits out.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "gateway/smtp/session.hpp"
#include "runtime/assert.hpp"

namespace postern::smtp {

// Takes octets behind DATA's 354: as many as may be held in memory.
std::size_t SmtpSession::take_data(std::string_view in) {
  Conversation& c = conversation_;
  std::size_t taken = 0;
  while (taken < in.size()) {
    const std::string_view rest = in.substr(taken, c.intake.room());
    const DataReader::Piece piece = c.data_reader.next(rest);
    taken += piece.consumed;
    c.intake.content(piece.content);
    if (piece.bare_newline) c.intake.saw_bare_newline();
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
  if (!c.transaction.chunk_refusal && !c.intake.refusal()) {
    wanted = std::min<std::uint64_t>(wanted, c.intake.room());
    const std::string_view octets = in.substr(0, wanted);
    const std::size_t bare = c.newline_check.find_bare(octets);
    c.intake.content(octets.substr(0, bare + 1));
    if (bare < octets.size()) c.intake.saw_bare_newline();
  }
  c.transaction.chunk_octets_left -= wanted;
  if (!c.transaction.chunk_refusal && c.intake.wants_spill()) submit_full_chunks();
  return wanted;
}

// All octets of a BDAT chunk are here.
void SmtpSession::finish_chunk() {
  Conversation& c = conversation_;
  c.mode = InputMode::command;
  if (c.transaction.chunk_refusal) {
    const Reply why = *std::exchange(c.transaction.chunk_refusal, std::nullopt);
    if (why == Reply::no_recipients) {
      c.reply(why);  // see DATA
    } else if (why == Reply::no_sender) {
      c.no_sender_error();
    } else {
      c.protocol_error(why);
    }
    return;
  }
  if (c.transaction.last_chunk) {
    if (c.newline_check.ends_bare()) c.intake.saw_bare_newline();
    // Every stored message ends in CRLF: readers and the relay need no special case for one that
    // does not.
    if (!c.intake.ends_in_crlf()) c.intake.content("\r\n");
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
  if (c.intake.refusal()) {
    refuse_message(*c.intake.refusal());
    return;
  }
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

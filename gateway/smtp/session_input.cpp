// Input of a session: octets become lines, lines become commands and AUTH responses.
#include <algorithm>
#include <cstring>

#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/session.hpp"
#include "runtime/assert.hpp"

namespace postern::smtp {

namespace {

// RFC 4954 section 4: base64 lines of an exchange may have 12288 octets.
constexpr std::size_t kAuthLineOctetsMax = 12288;

// First octet of a TLS record that holds a ClientHello: a client that speaks implicit TLS to the
// wrong port.
constexpr char kTlsHandshakeRecord = 0x16;

bool has_control_octet(std::string_view line) noexcept {
  bool found = false;
  for (const char c : line) found |= (static_cast<unsigned char>(c) < 0x20) | (c == 0x7f);
  return found;
}

}  // namespace

std::size_t SmtpSession::on_input(std::string_view in, Now now) {
  begin(now);
  Conversation& c = conversation_;
  POSTERN_ASSERT(c.wait != Wait::open);
  // RFC 3207 section 6: what came in the clear behind STARTTLS must not survive the handshake.
  if (c.wait == Wait::handshake) return in.size();
  if (!c.greeted && !in.empty() && c.profile->greeting_delay > Duration::zero() &&
      !c.peer.trusted && !c.ended) {
    refuse_early_talker();
    settle();
    return in.size();
  }
  return run(in);
}

// Consumes what can be consumed.
std::size_t SmtpSession::run(std::string_view in) {
  Conversation& c = conversation_;
  std::size_t at = 0;
  while (c.ready()) {
    if (c.mode == InputMode::chunk && c.transaction.chunk_octets_left == 0) {
      finish_chunk();
    } else if (at < in.size()) {
      at += take_input(in.substr(at));
    } else {
      break;
    }
  }
  if (c.wait == Wait::handshake) at = in.size();
  settle();
  return at;
}

std::size_t SmtpSession::take_input(std::string_view in) {
  switch (conversation_.mode) {
    case InputMode::command:
    case InputMode::auth_response:
      return take_line(in);
    case InputMode::data:
    case InputMode::chunk: {
      touch();
      const bool data = conversation_.mode == InputMode::data;
      const std::size_t taken = data ? take_data(in) : take_chunk(in);
      conversation_.data_rate_octets += taken;
      return taken;
    }
  }
  return in.size();
}

// Takes octets up to the next LF, or all of them into the beginning of a line.
std::size_t SmtpSession::take_line(std::string_view in) {
  Conversation& c = conversation_;
  if (in.front() == kTlsHandshakeRecord && c.line.empty() && !c.line_too_long) {
    c.cut_off(Reply::not_smtp, EndReason::not_smtp);
    return in.size();
  }
  const std::size_t octets_max =
      c.mode == InputMode::auth_response ? kAuthLineOctetsMax : c.profile->command_octets_max;
  const auto* lf = static_cast<const char*>(std::memchr(in.data(), '\n', in.size()));
  const std::size_t taken =
      lf == nullptr ? in.size() : static_cast<std::size_t>(lf - in.data()) + 1;
  if (c.line_too_long || c.line.size() + taken > octets_max) {
    c.line_too_long = lf == nullptr;
    c.line.clear();
    if (lf != nullptr) {
      touch();
      c.end_auth_exchange();
      c.protocol_error(Reply::line_too_long);
    }
    return taken;
  }
  if (lf == nullptr) {
    c.line.append(in);
    return taken;
  }
  touch();
  c.followed = taken < in.size();
  if (c.line.empty()) {
    handle_line(in.substr(0, taken));
  } else {
    c.line.append(in.substr(0, taken));
    handle_line(c.line);
    c.line.clear();
  }
  return taken;
}

// A whole line with its LF.
void SmtpSession::handle_line(std::string_view line) {
  Conversation& c = conversation_;
  line.remove_suffix(1);
  // A bare LF does not end a command: a peer that sees one line where we see two can be made to
  // smuggle commands (RFC 5321 2.3.8 forbids it to send one). The listener may allow it.
  const bool has_cr = !line.empty() && line.back() == '\r';
  if (has_cr) line.remove_suffix(1);
  const bool bare = !has_cr && c.profile->rules.bare_newline == config::LineEndPolicy::reject;
  if (bare || has_control_octet(line)) {
    c.end_auth_exchange();
    c.protocol_error(bare ? Reply::bad_line_end : Reply::bad_octet);
    return;
  }
  if (c.mode == InputMode::auth_response) {
    if (speaks_too_early()) return;
    run_auth_response(c, CommandCall{.arguments = line, .refusal = {}});
  } else {
    handle_command(line);
  }
}

void SmtpSession::handle_command(std::string_view line) {
  Conversation& c = conversation_;
  ++c.counters.commands;
  ++c.commands_unsent;
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);  // RFC 5321 4.1.1: tolerated
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view verb = line.substr(0, space);
  std::string_view arguments = line.substr(space);
  while (!arguments.empty() && arguments.front() == ' ') arguments.remove_prefix(1);

  const Command* const command = find_command(verb);
  if (command == nullptr) {
    if (is_http_verb(verb)) {
      c.cut_off(Reply::not_smtp, EndReason::not_smtp);
    } else {
      c.protocol_error(Reply::unknown_command);
    }
    return;
  }
  // A client that did not say EHLO was not told that it may send commands in groups.
  const auto has = [command](CommandFlags flag) { return (command->flags & flag) != 0; };
  const bool alone = c.hello == Hello::helo && !has(kEndsSession);
  if ((alone || has(kEndsGroup)) && speaks_too_early()) return;
  if (has(kTransaction) && !c.count_transaction()) return;
  const std::optional<Reply> refusal = check_conditions(*command, c, arguments);
  if (refusal && !has(kCarriesPayload)) {
    if (has(kBehindMail)) return c.error_behind_mail(*refusal);
    if (command->run == run_mail) return c.mail_error(*refusal);
    return c.protocol_error(*refusal);
  }
  command->run(c, CommandCall{.arguments = arguments, .refusal = refusal});
}

// Input is there behind a line that has to be answered first: the client does not wait for replies,
// or somebody put words into its mouth (RFC 2920 3.1). What follows is not to be believed.
bool SmtpSession::speaks_too_early() {
  Conversation& c = conversation_;
  if (!c.followed || !c.profile->rules.pipelining_strict) return false;
  c.end_auth_exchange();
  c.end_with(Reply::pipelining_violation, EndReason::pipelining);
  return true;
}

}  // namespace postern::smtp

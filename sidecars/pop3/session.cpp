// Input, answers, timers and the end of a session.
#include "sidecars/pop3/session.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "runtime/assert.hpp"
#include "sidecars/pop3/command_table.hpp"
#include "sidecars/pop3/limits.hpp"

namespace postern::pop3 {

std::string_view name_of(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::quit:
      return "quit";
    case EndReason::update_failed:
      return "update_failed";
    case EndReason::client_gone:
      return "client_gone";
    case EndReason::autologout:
      return "autologout";
    case EndReason::logon_failures:
      return "logon_failures";
    case EndReason::bad_commands:
      return "bad_commands";
    case EndReason::commands_max:
      return "commands_max";
    case EndReason::shutdown:
      return "shutdown";
    case EndReason::body_unreadable:
      return "body_unreadable";
  }
  return "unknown";
}

namespace {

// The reply of the kind that was asked for; another one is the driver's error.
template <class Reply>
Reply expect(sidecars::MailReply&& reply) {
  auto* wanted = std::get_if<Reply>(&reply);
  POSTERN_ASSERT(wanted != nullptr);
  return std::move(*wanted);
}

}  // namespace

Pop3Session::Pop3Session(std::shared_ptr<const Pop3Profile> profile, PeerFacts peer,
                         Pop3Observer* observer)
    : profile_(std::move(profile)), peer_(std::move(peer)), observer_(observer) {
  POSTERN_ASSERT(profile_ != nullptr);
}

Pop3Session::~Pop3Session() {
  if (!ended_ && waiting_ != Waiting::open) report_end(EndReason::client_gone);
}

void Pop3Session::on_open(Now now) {
  POSTERN_ASSERT(waiting_ == Waiting::open);
  waiting_ = Waiting::nothing;
  // No timestamp in angle brackets: that would offer APOP (POP-18).
  const std::string& host = profile_->hostname;
  reply_ok(host.empty() ? "POP3 server ready" : fmt::format("{} POP3 server ready", host));
  restart_inactivity_timer(now);
  settle(now);
}

std::size_t Pop3Session::on_input(std::string_view in, Now now) {
  std::size_t consumed = 0;
  while (consumed < in.size() && reads_input()) {
    consumed += take_octets(in.substr(consumed), now);
    settle(now);
  }
  return consumed;
}

void Pop3Session::on_tls(const TlsFacts&, Now now) {
  if (ended_) return;
  tls_active_ = true;
  if (waiting_ != Waiting::tls) return;  // implicit TLS: on_open() follows
  waiting_ = Waiting::nothing;
  forget_client();  // RFC 2595 section 4: nothing said in the clear counts any more
  restart_inactivity_timer(now);
  settle(now);
}

void Pop3Session::on_end_of_input(Now now) {
  if (ended_) return;
  // Who half-closes may still read: an answer on its way is finished, nothing else is begun.
  input_ended_ = true;
  if (waiting_ == Waiting::open || waiting_ == Waiting::tls)
    end_session(EndReason::client_gone);
  else
    settle(now);
}

void Pop3Session::on_deadline(Now now) {
  if (ended_) return;
  if (waiting_ == Waiting::penalty) {
    answer_failed_login();
    if (!ended_) restart_inactivity_timer(now);
    settle(now);
    return;
  }
  // POP-10: announced, then closed, without UPDATE. Inside a multi-line response or a TLS handshake
  // there is no place for an announcement.
  const bool inside_response = listing_ || (transfer_ && transfer_->status_sent);
  const bool login_phase = state_ == State::authorization;
  if (waiting_ == Waiting::update) {
    reply_error("[SYS/TEMP] messages marked as deleted may not have been removed");
    end_session(EndReason::update_failed);
    return;
  }
  if (!inside_response && waiting_ != Waiting::tls && waiting_ != Waiting::open) {
    reply_error(login_phase ? "no login in time, closing connection"
                            : "no command for too long, closing connection");
  }
  end_session(EndReason::autologout);
}

void Pop3Session::on_output_sent(Now now) {
  if (ended_) return;
  unsent_octets_ = output_.bytes.size();
  // A reader that keeps reading a long response is not inactive; nor does an update begin late.
  if (transfer_ || listing_ || waiting_ == Waiting::sent) restart_inactivity_timer(now);
  if (waiting_ == Waiting::sent && unsent_octets_ == 0) begin_update();
  settle(now);
}

void Pop3Session::on_shutdown(Now now) {
  if (ended_) return;
  stopping_ = true;
  if (waiting_ == Waiting::open || waiting_ == Waiting::tls) {
    end_session(EndReason::shutdown);  // nothing can be said inside a handshake
    return;
  }
  if (waiting_ == Waiting::penalty) answer_failed_login();
  settle(now);
}

void Pop3Session::on_mailbox_changed(Now) {
  // The maildrop stays as it was (POP-03). The next RETR or TOP asks whether its message is still
  // there.
  mailbox_changed_ = true;
}

void Pop3Session::on_reply(sidecars::MailReply reply, Now now) {
  if (ended_) return;  // the answer to a request that the end of the session overtook
  using namespace sidecars;
  switch (std::exchange(waiting_, Waiting::nothing)) {
    case Waiting::login:
      on_login_reply(expect<LoginReply>(std::move(reply)), now);
      break;
    case Waiting::maildrop:
      on_maildrop_reply(expect<SnapshotReply>(std::move(reply)), now);
      break;
    case Waiting::policy:
      on_policy_reply(expect<PolicyReply>(std::move(reply)));
      break;
    case Waiting::recheck:
      on_recheck_reply(expect<SnapshotReply>(std::move(reply)));
      break;
    case Waiting::body:
      on_bodies_reply(expect<BodiesReply>(std::move(reply)));
      break;
    case Waiting::update:
      on_update_reply(expect<MutationDone>(std::move(reply)));
      break;
    case Waiting::nothing:
    case Waiting::open:
    case Waiting::tls:
    case Waiting::penalty:
    case Waiting::sent:
      POSTERN_ASSERT(!"a reply without a request");
  }
  settle(now);
}

std::uint64_t Pop3Session::held_octets() const noexcept {
  return read_ahead_.held_octets() + (transfer_ ? transfer_->octets.size() : 0);
}

bool Pop3Session::reads_input() const noexcept {
  return !ended_ && !stopping_ && !input_ended_ && waiting_ == Waiting::nothing && !transfer_ &&
         !listing_ && unsent_octets_ < kOutputHighWaterOctets;
}

std::size_t Pop3Session::line_octets_max() const noexcept {
  if (sasl_exchange_) return kSaslLineOctetsMax;
  const std::uint32_t floor =
      profile_->exact_command_limit ? kCommandOctetsFloor : kCommandOctetsForCapa;
  return std::clamp(profile_->settings.command_octets_max, floor, kCommandOctetsCeiling);
}

// Consumes octets up to the end of one line, or all of them; handles the line if it is complete.
std::size_t Pop3Session::take_octets(std::string_view in, Now now) {
  if (overlong_octets_ > 0) return skip_overlong(in, now);
  const std::size_t room = line_octets_max() - line_.size();
  const std::size_t line_end = in.substr(0, room).find('\n');
  if (line_end == std::string_view::npos) {
    if (in.size() < room) {
      line_.append(in);
      return in.size();
    }
    overlong_octets_ = line_octets_max();
    line_.clear();
    return room;
  }
  // The usual line arrives in one piece and is never copied.
  std::string joined;
  std::string_view line = in.substr(0, line_end);
  if (!line_.empty()) {
    joined = std::exchange(line_, {});
    joined.append(line);
    line = joined;
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  pending_input_ = in.substr(line_end + 1);
  handle_line(line, now);
  pending_input_ = {};
  return line_end + 1;
}

std::size_t Pop3Session::skip_overlong(std::string_view in, Now now) {
  const std::size_t room = kOverlongLineOctetsMax - overlong_octets_;
  const std::size_t line_end = in.substr(0, room).find('\n');
  if (line_end != std::string_view::npos) {
    overlong_octets_ = 0;
    sasl_exchange_.reset();
    restart_inactivity_timer(now);
    bad_command("line too long");
    return line_end + 1;
  }
  const std::size_t skipped = std::min(in.size(), room);
  overlong_octets_ += skipped;
  if (overlong_octets_ == kOverlongLineOctetsMax) {
    reply_error("line too long, closing connection");
    end_session(EndReason::bad_commands);
  }
  return skipped;
}

void Pop3Session::handle_line(std::string_view line, Now now) {
  restart_inactivity_timer(now);
  if (!count_command()) return;
  if (line.find('\0') != std::string_view::npos) {
    sasl_exchange_.reset();
    bad_command("NUL in a command");
  } else if (sasl_exchange_) {
    handle_sasl_line(line, now);
  } else {
    handle_command(line, now);
  }
}

// False: the session has had its commands. Nothing that was marked is removed: only QUIT does.
bool Pop3Session::count_command() {
  const std::uint32_t commands_max = profile_->settings.commands_max;
  if (commands_max == 0 || commands_++ < commands_max) return true;
  reply_error("too many commands in one session, closing connection");
  end_session(EndReason::commands_max);
  return false;
}

void Pop3Session::handle_command(std::string_view text, Now now) {
  const CommandLine line = split_command_line(text);
  const CommandEntry* entry = CommandTable::find(line.keyword);
  if (entry == nullptr) {
    bad_command("unknown command");
    return;
  }
  bad_commands_ = 0;
  if (refuse_command(*entry, line)) return;
  (this->*entry->handler)(line, now);
}

// Answers a command that may not come now or has the wrong arguments.
bool Pop3Session::refuse_command(const CommandEntry& entry, const CommandLine& line) {
  const bool logged_in = state_ != State::authorization;
  if (!logged_in && (entry.flags & kBeforeLogin) == 0) {
    reply_error("log in first");
    return true;
  }
  if (logged_in && (entry.flags & kAfterLogin) == 0) {
    reply_error("already logged in");
    return true;
  }
  const bool tls_missing = profile_->listener.tls == config::TlsMode::required && !tls_active_;
  if (tls_missing && (entry.flags & kWithoutTls) == 0) {
    reply_error("this server requires TLS: use STLS first");
    return true;
  }
  std::size_t arguments = line.argument_count;
  if ((entry.flags & kRestIsOneArgument) != 0 && arguments > 1) arguments = 1;
  if (arguments < entry.arguments_min || arguments > entry.arguments_max) {
    reply_error(fmt::format("syntax: {}", entry.usage));
    return true;
  }
  return false;
}

void Pop3Session::bad_command(std::string_view text) {
  if (++bad_commands_ < kBadCommandsMax) {
    reply_error(text);
    return;
  }
  reply_error("too many unreadable commands, closing connection");
  end_session(EndReason::bad_commands);
}

void Pop3Session::send(std::string_view octets) {
  output_.bytes.append(octets);
  unsent_octets_ += octets.size();
}

void Pop3Session::reply_ok(std::string_view text) { send_status("+OK", text); }

void Pop3Session::reply_error(std::string_view text) { send_status("-ERR", text); }

void Pop3Session::send_status(std::string_view indicator, std::string_view text) {
  constexpr std::string_view kLineEnd = "\r\n";
  send(indicator);
  if (!text.empty()) {
    send(" ");
    // POP-06. Texts are short; only a very long host name would be cut.
    send(text.substr(0, kResponseOctetsMax - indicator.size() - 1 - kLineEnd.size()));
  }
  send(kLineEnd);
}

void Pop3Session::restart_inactivity_timer(Now now) {
  const auto timeout = state_ == State::authorization ? profile_->settings.login_timeout
                                                      : profile_->settings.inactivity_timeout;
  if (timeout.count() == 0)
    output_.deadline.reset();
  else
    output_.deadline = now.mono + timeout;
}

// Whether a command was read whose answer is not complete.
bool Pop3Session::in_answer() const noexcept {
  return waiting_ != Waiting::nothing || transfer_ || listing_;
}

// Turns what is held into output, as far as the reader keeps up.
void Pop3Session::pump() {
  while (!ended_ && waiting_ == Waiting::nothing && unsent_octets_ < kOutputHighWaterOctets) {
    if (transfer_)
      produce_transfer();
    else if (listing_)
      produce_listing();
    else
      return;
  }
}

// What every event ends with.
void Pop3Session::settle(Now now) {
  const bool was_answering = transfer_ || listing_;
  pump();
  if (ended_) return;
  if (was_answering && !in_answer()) restart_inactivity_timer(now);
  if (in_answer()) return;
  if (stopping_) {
    reply_error("[SYS/TEMP] server is stopping");
    end_session(EndReason::shutdown);
  } else if (input_ended_) {
    end_session(EndReason::client_gone);
  }
}

void Pop3Session::end_session(EndReason reason) {
  POSTERN_ASSERT(!ended_);
  const bool was_open = waiting_ != Waiting::open;
  ended_ = true;
  waiting_ = Waiting::nothing;
  request_.reset();
  watched_.reset();
  transfer_.reset();
  listing_.reset();
  read_ahead_.clear();
  line_.clear();
  output_.close = true;
  output_.deadline.reset();
  if (was_open) report_end(reason);
}

void Pop3Session::report_end(EndReason reason) {
  if (observer_ == nullptr) return;
  summary_.reason = reason;
  summary_.account = account_;
  summary_.tls = tls_active_;
  observer_->on_session_end(peer_, summary_);
}

}  // namespace postern::pop3

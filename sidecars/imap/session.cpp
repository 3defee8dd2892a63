#include "sidecars/imap/session.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "runtime/assert.hpp"
#include "sidecars/imap/limits.hpp"

namespace postern::imap {

ImapSession::ImapSession(std::shared_ptr<const ImapProfile> profile, PeerFacts peer)
    : peer_(std::move(peer)), context_(std::move(profile), output_, request_, watched_) {}

// ---- events
// ------------------------------------------------------------------------------------------

void ImapSession::on_open(Now now) {
  context_.now = now;
  activity_ = now.mono;
  login_deadline_ = now.mono + context_.profile->settings.login_timeout;
  std::string& out = context_.out();
  out.append("* OK ");
  if (context_.modern()) out.append("[CAPABILITY ").append(capabilities(context_)).append("] ");
  out.append(context_.profile->hostname).append(" IMAP4rev1 server is ready\r\n");
  settle(now);
}

std::size_t ImapSession::on_input(std::string_view in, Now now) {
  context_.now = now;
  std::size_t consumed = 0;
  if (!in.empty() && may_read()) activity_ = now.mono;
  while (consumed < in.size() && may_read()) {
    const std::size_t limit = context_.profile->settings.command_octets_max;
    reader_.set_limit(
        context_.state == kNotAuthenticated ? std::min(limit, kAnonymousCommandOctetsMax) : limit);
    if (phase_ == Phase::running) reader_.expect_line();
    const CommandReader::Step step = reader_.feed(in.substr(consumed));
    consumed += step.consumed;
    handle(step);
  }
  settle(now);
  return consumed;
}

void ImapSession::on_tls(const TlsFacts&, Now now) {
  context_.now = now;
  context_.tls_active = true;
  if (phase_ == Phase::starting_tls) {
    phase_ = Phase::reading;
    settle(now);
  }
}

void ImapSession::on_end_of_input(Now now) {
  context_.now = now;
  input_ended_ = true;
  if (phase_ == Phase::closed) return;
  // A command that needs no more input is carried out; then write_completion() closes.
  const bool works =
      phase_ == Phase::syncing || (phase_ == Phase::running && waits_for_ != Progress::line);
  if (!works) close(EndReason::client_closed);
  settle(now);
}

void ImapSession::on_deadline(Now now) {
  context_.now = now;
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::running && waits_for_ == Progress::timer && now.mono >= *context_.wake) {
    context_.wake.reset();
    proceed(command_->run(context_));
    settle(now);
    return;
  }
  const auto& settings = context_.profile->settings;
  if (context_.state != kNotAuthenticated && reply_outstanding_) {
    activity_ = now.mono;  // it is the store that is slow and not the client
  } else if (context_.state == kNotAuthenticated) {
    if (settings.login_timeout.count() > 0 && now.mono >= login_deadline_) {
      say_bye(EndReason::login_timeout, "You did not log in in time");
    }
  } else if (settings.inactivity_timeout.count() > 0 &&
             now.mono >= activity_ + settings.inactivity_timeout) {
    say_bye(EndReason::inactivity, "Autologout: nothing was heard for too long");
  }
  settle(now);
}

void ImapSession::on_output_sent(Now now) {
  context_.now = now;
  if (phase_ == Phase::closed || !output_.bytes.empty()) return;
  output_unsent_ = false;
  if (phase_ == Phase::running && waits_for_ == Progress::room) {
    activity_ = now.mono;  // a client that reads is alive
    proceed(command_->run(context_));
  } else if ((phase_ == Phase::syncing || phase_ == Phase::announcing) && !reply_outstanding_) {
    activity_ = now.mono;
    continue_sync();
  }
  settle(now);
}

void ImapSession::on_shutdown(Now now) {
  context_.now = now;
  shutting_down_ = true;
  if (phase_ == Phase::closed) return;
  const bool works =
      phase_ == Phase::syncing ||
      (phase_ == Phase::running &&
       (waits_for_ == Progress::reply || waits_for_ == Progress::room || context_.inside_response));
  if (!works && !(phase_ == Phase::announcing && !reply_outstanding_)) {
    say_bye(EndReason::shutdown, "The server is shutting down");
  }
  settle(now);
}

void ImapSession::on_reply(sidecars::MailReply reply, Now now) {
  context_.now = now;
  if (phase_ == Phase::closed) return;
  POSTERN_ASSERT(reply_outstanding_);
  reply_outstanding_ = false;
  if (phase_ == Phase::running) {
    proceed(command_->on_reply(context_, std::move(reply)));
  } else {
    auto* const answer = std::get_if<sidecars::SnapshotReply>(&reply);
    POSTERN_ASSERT(answer != nullptr && context_.selected);
    if (answer->snapshot) {
      context_.selected->latest = std::move(*answer->snapshot);
      start_report();
    } else if (answer->snapshot.error().code == ErrorCode::not_found) {
      say_bye(EndReason::mailbox_gone, "The selected mailbox was deleted");
    } else {
      // The store will announce itself again; until then the client keeps its picture.
      after_sync();
    }
  }
  settle(now);
}

void ImapSession::on_mailbox_changed(Now now) {
  context_.now = now;
  if (phase_ == Phase::closed || !context_.selected) return;
  context_.selected->dirty = true;
  settle(now);
}

// ---- changes of the mailbox
// --------------------------------------------------------------------------

void ImapSession::begin_sync(Phase phase, bool look) {
  resume_phase_ = phase_;
  phase_ = phase;
  if (look) {
    context_.selected->dirty = false;
    request_ = sidecars::SnapshotRequest{context_.selected->id};
    reply_outstanding_ = true;
  } else {
    start_report();
  }
}

void ImapSession::start_report() {
  const bool announcing = phase_ == Phase::announcing;
  const bool idle = announcing && resume_phase_ == Phase::running;
  MailboxSync::Options options;
  options.expunge = announcing ? idle : (context_.spec->bits & kKeepsSequenceNumbers) == 0;
  options.flags = context_.modern();
  options.with_uid = !announcing && (context_.spec->bits & kUidForm) != 0;
  options.wish = announcing ? nullptr : &context_.sync;
  sync_.begin(*context_.selected, options);
  continue_sync();
}

void ImapSession::continue_sync() {
  if (sync_.emit(context_)) after_sync();
}

void ImapSession::after_sync() {
  if (phase_ == Phase::syncing) {
    write_completion();
    return;
  }
  phase_ = resume_phase_;
  if (shutting_down_) {
    say_bye(EndReason::shutdown, "The server is shutting down");
  } else if (input_ended_) {
    close(EndReason::client_closed);
  }
}

void ImapSession::maybe_announce() {
  if (!context_.selected || output_unsent_ || reply_outstanding_) return;
  const bool idle = waits_in_idle();
  if (phase_ != Phase::reading && !idle) return;
  const SelectedMailbox& mailbox = *context_.selected;
  if (mailbox.dirty || (idle && mailbox.reported != mailbox.latest)) {
    begin_sync(Phase::announcing, mailbox.dirty);
  }
}

// ---- ends and deadlines
// ------------------------------------------------------------------------------

void ImapSession::settle(Now now) {
  if (phase_ == Phase::closed) return;
  if (!output_.bytes.empty()) output_unsent_ = true;
  maybe_announce();
  if (!output_.bytes.empty()) output_unsent_ = true;
  const auto& settings = context_.profile->settings;
  std::optional<MonoTime> deadline;
  if (context_.state == kNotAuthenticated) {
    if (settings.login_timeout.count() > 0) deadline = login_deadline_;
  } else if (settings.inactivity_timeout.count() > 0) {
    deadline = activity_ + settings.inactivity_timeout;
  }
  if (phase_ == Phase::running && waits_for_ == Progress::timer) {
    deadline = deadline ? std::min(*deadline, *context_.wake) : *context_.wake;
  }
  (void)now;
  output_.deadline = deadline;
}

void ImapSession::say_bye(EndReason reason, std::string_view text) {
  // Not in the middle of a response, and not in the clear where the client expects a TLS record.
  if (!context_.inside_response && phase_ != Phase::starting_tls) {
    context_.out().append("* BYE ").append(text).append("\r\n");
  }
  close(reason);
}

void ImapSession::close(EndReason reason) {
  if (phase_ == Phase::closed) return;
  drop_command();
  context_.selected.reset();
  watched_.reset();
  request_.reset();
  phase_ = Phase::closed;
  output_.close = true;
  output_.deadline.reset();
  if (context_.observer != nullptr) context_.observer->session_ended(reason);
}

}  // namespace postern::imap

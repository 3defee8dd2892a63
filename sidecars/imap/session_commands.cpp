// The half of ImapSession that turns the client's octets into commands and runs them.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/assert.hpp"
#include "sidecars/imap/arguments.hpp"
#include "sidecars/imap/command_table.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/session.hpp"

namespace postern::imap {
namespace {

/// A tag can be echoed if it is printable and cannot be taken for "*" or "+". Any such format will
/// do (IMAP-07).
bool is_tag(std::string_view tag) noexcept {
  const auto printable = [](char octet) { return octet > 0x20 && octet < 0x7f; };
  return !tag.empty() && tag.size() <= kTagOctetsMax && tag != "*" && tag != "+" &&
         std::ranges::all_of(tag, printable);
}

struct CommandHead {
  std::string_view tag;   // empty: none that could be echoed
  std::string name;       // capitals, "UID FETCH" for UID forms
  std::string_view rest;  // from the delimiter behind the name
};

std::string_view take_name(std::string_view& text) {
  const std::string_view name = text.substr(0, text.find_first_of(" \t\r\n"));
  text.remove_prefix(name.size());
  return name;
}

CommandHead split_head(std::string_view text) {
  CommandHead head;
  const std::size_t space = text.find(' ');
  head.tag = text.substr(0, space);
  if (!is_tag(head.tag)) head.tag = {};
  text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  head.name = upper(take_name(text).substr(0, 32));
  if (head.name == "UID" && !text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
    head.name += ' ';
    head.name += upper(take_name(text).substr(0, 32));
  }
  head.rest = text;
  return head;
}

/// Why a command may not be used now, as status and text; an empty status if it may.
struct Refusal {
  std::string_view status;
  std::string_view text;
};

Refusal refusal(const Context& context, const CommandSpec* spec) {
  if (spec == nullptr) return {"BAD", "The command is unknown"};
  if ((spec->states & context.state) == 0) {
    return {"BAD", context.state == kNotAuthenticated ? "Log in first"
                   : (spec->states & kNotAuthenticated) != 0 && context.state != kNotAuthenticated
                       ? "Already logged in"
                       : "Select a mailbox first"};
  }
  const bool needs_tls = context.profile->listener.tls == config::TlsMode::required &&
                         (spec->bits & kBeforeTls) == 0 && !context.tls_active;
  const bool leaks = (spec->bits & kSendsPassword) != 0 && !context.plaintext_login_permitted();
  if (needs_tls || leaks) return {"NO", "[PRIVACYREQUIRED] Use TLS first"};
  return {};
}

}  // namespace

// ---- commands
// ----------------------------------------------------------------------------------------

bool ImapSession::may_read() const noexcept {
  if (reply_outstanding_ || context_.full()) return false;
  return phase_ == Phase::reading || (phase_ == Phase::running && waits_for_ == Progress::line);
}

bool ImapSession::waits_in_idle() const noexcept {
  return phase_ == Phase::running && waits_for_ == Progress::line &&
         (context_.spec->bits & kAnnouncesChanges) != 0;
}

void ImapSession::handle(const CommandReader::Step& step) {
  using Kind = CommandReader::Step::Kind;
  switch (step.kind) {
    case Kind::need_more:
      return;
    case Kind::line:
      proceed(command_->on_line(context_, step.text));
      return;
    case Kind::command:
      handle_command(step.text);
      return;
    case Kind::literal:
      handle_literal(step);
      return;
    case Kind::too_long:
      if (phase_ == Phase::running) {
        proceed(context_.bad("The line is too long"));
      } else {
        reject(split_head(step.text).tag, "BAD", "The command is too long");
      }
      return;
    case Kind::overrun:
      say_bye(EndReason::protocol_errors, "The command is far too long");
      return;
  }
}

void ImapSession::handle_literal(const CommandReader::Step& step) {
  const CommandHead head = split_head(step.text);
  const CommandSpec* const spec = find_command(head.name);
  Refusal why = refusal(context_, spec);
  if (why.status.empty() && !step.fits) why = {"BAD", "[TOOBIG] The literal is too large"};
  if (why.status.empty() && (spec->bits & kRefusesLiterals) != 0) {
    why = {"NO", "[CANNOT] The command is not available"};
  }
  if (why.status.empty()) {
    reader_.accept_literal();
    if (step.synchronising) context_.out().append("+ Ready for the literal\r\n");
    return;
  }
  const std::string tag(head.tag);
  reader_.refuse_literal();
  reject(tag, why.status, why.text);
}

void ImapSession::handle_command(std::string_view text) {
  if (text.empty()) return;  // an empty line between commands is not worth an error
  const CommandHead head = split_head(text);
  if (head.tag.empty()) {
    reject({}, "BAD", "A tag is missing");
    return;
  }
  if (head.name.empty()) {
    reject(head.tag, "BAD", "A command is missing");
    return;
  }
  const CommandSpec* const spec = find_command(head.name);
  if (const Refusal why = refusal(context_, spec); !why.status.empty()) {
    reject(head.tag, why.status, why.text);
    return;
  }
  context_.tag = head.tag;
  context_.spec = spec;
  Arguments arguments(head.rest);
  auto command = spec->parse(context_, arguments);
  if (!command) {
    context_.spec = nullptr;
    const bool cannot = command.error().code == ErrorCode::unsupported;
    reject(head.tag, cannot ? "NO" : "BAD",
           cannot ? "[CANNOT] " + command.error().message : command.error().message);
    return;
  }
  command_ = std::move(*command);
  phase_ = Phase::running;
  proceed(command_->run(context_));
}

void ImapSession::proceed(Progress progress) {
  waits_for_ = progress;
  switch (progress) {
    case Progress::done:
      finish_command();
      return;
    case Progress::reply:
      POSTERN_ASSERT(request_.has_value());
      reply_outstanding_ = true;
      return;
    case Progress::timer:
      POSTERN_ASSERT(context_.wake.has_value());
      return;
    case Progress::room:
    case Progress::line:
      return;
  }
}

void ImapSession::finish_command() {
  if (context_.inside_response) {
    // The rest of a literal cannot be had: whatever came now would be taken for its octets.
    close(context_.end.value_or(EndReason::store_failure));
    return;
  }
  if (!context_.selected || context_.end) {
    write_completion();
    return;
  }
  const SyncWish& wish = context_.sync;
  const bool look =
      context_.selected->dirty || wish.refresh || (context_.spec->bits & kRefreshes) != 0;
  begin_sync(Phase::syncing, look);
}

void ImapSession::write_completion() {
  const Completion& completion = context_.completion;
  std::string& out = context_.out();
  out.append(context_.tag);
  switch (completion.status) {
    case Completion::Status::ok:
      out.append(" OK ");
      break;
    case Completion::Status::no:
      out.append(" NO ");
      break;
    case Completion::Status::bad:
      out.append(" BAD ");
      break;
  }
  if (!completion.code.empty()) out.append("[").append(completion.code).append("] ");
  out.append(completion.text).append("\r\n");
  const bool bad = completion.status == Completion::Status::bad;
  const std::optional<EndReason> end = context_.end;
  const bool starts_tls = context_.starts_tls;
  drop_command();
  if (end) {
    close(*end);
  } else if (starts_tls) {
    output_.start_tls = true;
    reader_.reset();
    phase_ = Phase::starting_tls;
  } else if (shutting_down_) {
    say_bye(EndReason::shutdown, "The server is shutting down");
  } else if (input_ended_) {
    close(EndReason::client_closed);
  } else if (bad) {
    count_bad();
  } else {
    bad_commands_ = 0;
  }
}

void ImapSession::drop_command() {
  command_.reset();
  phase_ = Phase::reading;
  waits_for_ = Progress::done;
  context_.spec = nullptr;
  context_.completion = {};
  context_.sync = {};
  context_.wake.reset();
  context_.end.reset();
  context_.starts_tls = false;
}

void ImapSession::reject(std::string_view tag, std::string_view status, std::string_view text) {
  std::string& out = context_.out();
  out.append(tag.empty() ? "*" : tag).append(" ").append(status).append(" ");
  out.append(text).append("\r\n");
  if (status == "BAD") count_bad();
}

void ImapSession::count_bad() {
  const std::uint32_t most =
      context_.state == kNotAuthenticated ? kBadCommandsMaxAnonymous : kBadCommandsMax;
  if (++bad_commands_ >= most) say_bye(EndReason::protocol_errors, "Too many invalid commands");
}

}  // namespace postern::imap

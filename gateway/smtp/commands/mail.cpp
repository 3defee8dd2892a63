#include <algorithm>

#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/mail_parameters.hpp"
#include "gateway/smtp/syntax/path.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

// RFC 6710 section 5: a stranger's mail is not let past everybody else's.
constexpr std::int8_t kStrangerPriorityMax = 0;

// RFC 6409 6.1: an identity speaks for its own addresses and those granted to it. The null
// reverse-path is everybody's: notifications have it.
bool may_send_as(const Conversation& conversation, const Path& path) {
  if (!conversation.profile->rules.sender_owned || !conversation.authenticated()) return true;
  if (path.null_path()) return true;
  const store::Directory& directory = *conversation.services.directory;
  return path.quoted ? directory.may_send_as(conversation.identity, unquoted(path), path.domain)
                     : directory.may_send_as(conversation.identity, path.local_part, path.domain);
}

// Why the sender is refused, if it is. The rate is looked at last: what is refused costs nothing
// of it.
std::optional<Reply> judge(Conversation& conversation, const Path& path,
                           const MailParameters& parameters) {
  if (path.has_utf8 && !parameters.smtputf8) return Reply::needs_smtputf8;
  const std::uint64_t octets_max = conversation.profile->message_octets_max;
  if (octets_max != 0 && parameters.size_octets.value_or(0) > octets_max) {
    return Reply::message_too_big;
  }
  if (parameters.options.hold_until_unix_ms != 0 && !conversation.authenticated()) {
    return Reply::needs_auth;
  }
  if (!may_send_as(conversation, path)) return Reply::sender_not_owned;
  SmtpPolicy* const policy = conversation.services.policy;
  if (policy == nullptr) return std::nullopt;
  switch (policy->admit_message(conversation.identity, parameters.size_octets.value_or(0),
                                conversation.now)) {
    case MessageVerdict::admitted:
      return std::nullopt;
    case MessageVerdict::message_rate:
      return Reply::rate_exceeded;
    case MessageVerdict::octet_rate:
      return Reply::octet_rate_exceeded;
    case MessageVerdict::no_room:
      break;
  }
  return Reply::busy;
}

// The answer to a sender that is accepted.
void accept(Conversation& conversation, const Path& path, MailParameters& parameters) {
  std::int8_t& priority = parameters.options.priority;
  const bool lowered = priority > kStrangerPriorityMax && !conversation.authenticated();
  if (lowered) priority = kStrangerPriorityMax;
  conversation.open_transaction(path.mailbox, parameters);
  if (SmtpPolicy* const policy = conversation.services.policy; policy != nullptr) {
    conversation.hold_back(policy->mail_delay(conversation.identity));
  }
  if (lowered) {
    conversation.reply(Reply::sender_ok_priority, "0");
  } else {
    conversation.reply(Reply::sender_ok);
  }
}

}  // namespace

void run_mail(Conversation& conversation, const CommandCall& call) {
  if (conversation.transaction.open) return conversation.mail_error(Reply::nested_mail);
  constexpr std::string_view kFrom = "FROM:";
  if (!text::starts_folded(call.arguments, kFrom)) {
    return conversation.mail_error(Reply::bad_sender_syntax);
  }
  std::string_view text = call.arguments.substr(kFrom.size());
  // Not in RFC 5321 4.1.1.2, but many a client sends a space here.
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const PathResult parsed = parse_path(text);
  if (parsed.error == PathError::no_path) {
    return conversation.mail_error(Reply::bad_sender_syntax);
  }
  const Path& path = parsed.path;
  if (parsed.error != PathError::none || (!path.null_path() && path.domain.empty())) {
    return conversation.mail_error(Reply::bad_sender_address);
  }

  MailParameters parameters;
  if (!parsed.rest.empty()) {
    const std::optional<Reply> refusal =
        parse_mail_parameters(parsed.rest, conversation.offers(), conversation.now, parameters);
    if (refusal) return conversation.mail_error(*refusal);
  }
  if (const std::optional<Reply> refusal = judge(conversation, path, parameters)) {
    conversation.sender_refused = true;
    conversation.services.observer->on_sender_refused(path.mailbox, text_of(*refusal));
    conversation.reply(*refusal);
    if (*refusal == Reply::rate_exceeded) conversation.end(EndReason::rate_limited);
    return;
  }
  accept(conversation, path, parameters);
}

}  // namespace postern::smtp

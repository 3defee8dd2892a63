#include <algorithm>

#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/mail_parameters.hpp"
#include "gateway/smtp/syntax/path.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

// RFC 5321 4.5.1: reachable without a domain. Any other address needs one.
bool is_complete(const Path& path) noexcept {
  return !path.null_path() &&
         (!path.domain.empty() || text::equal_folded(path.local_part, "postmaster"));
}

// Whether its mailboxes take a message of the size that MAIL declared (POP-19). One that does not
// holds up all: the address is answered once, and the client sends again for all of them. What is
// to be held goes to the queue, however full the mailbox is by now.
std::optional<Reply> check_quota(const Conversation& conversation,
                                 const std::vector<store::MailboxId>& mailboxes) {
  const store::MailboxQuotas* const quotas = conversation.services.quotas;
  if (quotas == nullptr || conversation.message->envelope.options.hold_until_unix_ms != 0)
    return std::nullopt;
  std::optional<Reply> refusal;
  for (const store::MailboxId mailbox : mailboxes) {
    switch (quotas->room_for(mailbox, conversation.transaction.declared_octets)) {
      case store::MailboxRoom::enough:
        break;
      case store::MailboxRoom::full:
        refusal = Reply::mailbox_full;
        break;
      case store::MailboxRoom::too_large:
        return Reply::larger_than_mailbox;
    }
  }
  return refusal;
}

// Where the mail goes, or why it does not.
std::optional<Reply> judge(const Conversation& conversation, const Path& path,
                           store::Route& route) {
  if (path.has_utf8 && !conversation.message->envelope.smtputf8) return Reply::needs_smtputf8;
  const std::uint32_t max = conversation.profile->recipients_max;
  if (max != 0 && conversation.message->envelope.recipients.size() >= max) {
    return Reply::too_many_recipients;
  }
  const store::Directory& directory = *conversation.services.directory;
  route = path.quoted ? directory.route(unquoted(path), path.domain)
                      : directory.route(path.local_part, path.domain);
  switch (route.kind) {
    case store::Route::Kind::local:
      return check_quota(conversation, route.mailboxes);
    case store::Route::Kind::unknown_user:
      return Reply::unknown_user;
    case store::Route::Kind::remote:
      return conversation.may_relay() ? std::nullopt : std::optional(Reply::relaying_denied);
  }
  return Reply::relaying_denied;
}

}  // namespace

void run_rcpt(Conversation& conversation, const CommandCall& call) {
  if (!conversation.transaction.open) return conversation.error_behind_mail(Reply::no_sender);
  constexpr std::string_view kTo = "TO:";
  if (!text::starts_folded(call.arguments, kTo)) {
    return conversation.protocol_error(Reply::bad_recipient_syntax);
  }
  std::string_view text = call.arguments.substr(kTo.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));  // see MAIL
  const PathResult parsed = parse_path(text);
  if (parsed.error == PathError::no_path) {
    return conversation.protocol_error(Reply::bad_recipient_syntax);
  }
  const Path& path = parsed.path;
  if (parsed.error != PathError::none || !is_complete(path)) {
    return conversation.protocol_error(Reply::bad_recipient_address);
  }
  const store::Envelope& envelope = conversation.message->envelope;
  store::RecipientOptions options;
  if (!parsed.rest.empty()) {
    const std::optional<Reply> refusal =
        parse_rcpt_parameters(parsed.rest, conversation.offers(), envelope.smtputf8, options);
    if (refusal) return conversation.protocol_error(*refusal);
  }

  store::Route route;
  std::optional<Reply> refusal = judge(conversation, path, route);
  SmtpPolicy* const policy = conversation.services.policy;
  if (!refusal && policy != nullptr &&
      !policy->admit_recipient(conversation.identity, conversation.now)) {
    refusal = Reply::recipient_rate_exceeded;
  }
  if (refusal) {
    ++conversation.counters.recipients_refused;
    conversation.services.observer->on_recipient_refused(path.mailbox, text_of(*refusal));
    return conversation.reply(*refusal);
  }
  // A message that is held waits in the queue, for every recipient (RFC 4865 section 4).
  if (envelope.options.hold_until_unix_ms != 0) route.mailboxes.clear();
  conversation.message->envelope.recipients.push_back(
      store::EnvelopeRecipient{.address = std::string(path.mailbox),
                               .mailboxes = std::move(route.mailboxes),
                               .options = std::move(options)});
  conversation.reply(Reply::recipient_ok);
}

}  // namespace postern::smtp

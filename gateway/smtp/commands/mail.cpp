#include <algorithm>

#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/parameters.hpp"
#include "gateway/smtp/syntax/path.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

struct MailParameters {
  std::optional<std::uint64_t> size_octets;  // SIZE= (RFC 1870)
  std::optional<bool> body_8bit;             // BODY= (RFC 6152)
  bool smtputf8 = false;                     // SMTPUTF8 (RFC 6531)
  bool auth = false;                         // AUTH= (RFC 4954 section 5)
};

// AUTH=<> or AUTH=mailbox in xtext. Checked and not used: the identity that counts is the one that
// logged in here, and no next hop is trusted with another.
bool is_auth_value(std::string_view value) {
  const std::optional<std::string> decoded = decode_xtext(value);
  return decoded && (*decoded == "<>" || is_mailbox(*decoded));
}

// Takes one parameter; the reply if it is refused.
std::optional<Reply> take(const Parameter& parameter, bool auth_offered, MailParameters& into) {
  if (text::equal_folded(parameter.keyword, "SIZE")) {
    if (into.size_octets) return Reply::duplicate_parameter;
    into.size_octets = text::parse_number(parameter.value);
    return into.size_octets ? std::nullopt : std::optional(Reply::bad_parameter);
  }
  if (text::equal_folded(parameter.keyword, "BODY")) {
    if (into.body_8bit) return Reply::duplicate_parameter;
    if (text::equal_folded(parameter.value, "8BITMIME")) {
      into.body_8bit = true;
    } else if (text::equal_folded(parameter.value, "7BIT")) {
      into.body_8bit = false;
    } else {
      return Reply::bad_parameter;
    }
    return std::nullopt;
  }
  if (text::equal_folded(parameter.keyword, "SMTPUTF8")) {
    if (into.smtputf8) return Reply::duplicate_parameter;
    into.smtputf8 = true;
    return parameter.has_value ? std::optional(Reply::bad_parameter) : std::nullopt;
  }
  if (auth_offered && text::equal_folded(parameter.keyword, "AUTH")) {
    if (into.auth) return Reply::duplicate_parameter;
    into.auth = true;
    return is_auth_value(parameter.value) ? std::nullopt : std::optional(Reply::bad_parameter);
  }
  return Reply::unknown_parameter;
}

}  // namespace

void run_mail(Conversation& conversation, const CommandCall& call) {
  if (conversation.transaction.open) return conversation.protocol_error(Reply::nested_mail);
  constexpr std::string_view kFrom = "FROM:";
  if (!text::starts_folded(call.arguments, kFrom)) {
    return conversation.protocol_error(Reply::bad_sender_syntax);
  }
  std::string_view text = call.arguments.substr(kFrom.size());
  // Not in RFC 5321 4.1.1.2, but many a client sends a space here.
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const PathResult parsed = parse_path(text);
  if (parsed.error == PathError::no_path) {
    return conversation.protocol_error(Reply::bad_sender_syntax);
  }
  const Path& path = parsed.path;
  if (parsed.error != PathError::none || (!path.null_path() && path.domain.empty())) {
    return conversation.protocol_error(Reply::bad_sender_address);
  }

  MailParameters parameters;
  ParameterList list(parsed.rest);
  while (const std::optional<Parameter> parameter = list.next()) {
    const std::optional<Reply> refusal = take(*parameter, conversation.profile->auth, parameters);
    if (refusal) return conversation.protocol_error(*refusal);
  }
  if (list.failed()) return conversation.protocol_error(Reply::bad_arguments);

  const auto refuse = [&](Reply why) {
    conversation.sender_refused = true;
    conversation.services.observer->on_sender_refused(path.mailbox, text_of(why));
    conversation.reply(why);
  };
  if (path.has_utf8 && !parameters.smtputf8) return refuse(Reply::needs_smtputf8);
  const std::uint64_t octets_max = conversation.profile->message_octets_max;
  if (octets_max != 0 && parameters.size_octets.value_or(0) > octets_max) {
    return refuse(Reply::message_too_big);
  }
  SmtpPolicy* const policy = conversation.services.policy;
  if (policy != nullptr &&
      !policy->admit_message(conversation.peer, conversation.identity, conversation.now)) {
    refuse(Reply::rate_exceeded);
    return conversation.end(EndReason::rate_limited);
  }
  if (policy != nullptr && !policy->has_room()) return refuse(Reply::busy);
  conversation.open_transaction(path.mailbox, parameters.smtputf8,
                                parameters.body_8bit.value_or(false));
  conversation.reply(Reply::sender_ok);
}

}  // namespace postern::smtp

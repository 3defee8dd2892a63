#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/hello_name.hpp"

namespace postern::smtp {

void run_ehlo(Conversation& conversation, const CommandCall& call) {
  if (call.arguments.empty()) return conversation.protocol_error(Reply::no_hello_argument);
  if (!is_hello_name(call.arguments)) return conversation.protocol_error(Reply::bad_hello_argument);
  conversation.reset_transaction();  // RFC 5321 4.1.4
  conversation.hello = Hello::ehlo;
  conversation.hello_name.assign(call.arguments);
  const SmtpProfile& profile = *conversation.profile;
  const bool certificate = conversation.tls && !conversation.tls->client_name.empty();
  if (profile.usual_ehlo() && !certificate && !conversation.xclient_allowed) {
    return conversation.send(conversation.tls ? profile.ehlo_tls : profile.ehlo_clear);
  }
  conversation.send(profile.ehlo_reply({.in_tls = conversation.tls.has_value(),
                                        .certificate = certificate,
                                        .xclient = conversation.xclient_allowed,
                                        .unix_ms = conversation.now.unix_ms}));
}

}  // namespace postern::smtp

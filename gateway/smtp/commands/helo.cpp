#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/hello_name.hpp"

namespace postern::smtp {

void run_helo(Conversation& conversation, const CommandCall& call) {
  if (call.arguments.empty()) return conversation.protocol_error(Reply::no_hello_argument);
  if (!is_hello_name(call.arguments)) return conversation.protocol_error(Reply::bad_hello_argument);
  conversation.reset_transaction();  // RFC 5321 4.1.4
  conversation.hello = Hello::helo;
  conversation.hello_name.assign(call.arguments);
  conversation.send(conversation.profile->helo_reply);
}

}  // namespace postern::smtp

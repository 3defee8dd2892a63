#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

// RFC 5321 7.3: the same answer for every argument, so that nobody learns who has a mailbox
// (SMTP-25).
void run_vrfy(Conversation& conversation, const CommandCall& call) {
  if (call.arguments.empty()) {
    conversation.protocol_error(Reply::bad_arguments);
  } else {
    conversation.reply(Reply::cannot_verify);
  }
}

}  // namespace postern::smtp

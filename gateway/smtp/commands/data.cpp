#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

void run_data(Conversation& conversation, const CommandCall& /*call*/) {
  if (!conversation.transaction.open) return conversation.error_behind_mail(Reply::no_sender);
  // Not counted: a client that pipelines says DATA before it knows that each RCPT was refused.
  if (conversation.message->envelope.recipients.empty()) {
    return conversation.reply(Reply::no_recipients);
  }
  // RFC 3030 section 3: such a message has no lines that DATA could carry.
  if (conversation.message->envelope.options.body_binary) {
    return conversation.protocol_error(Reply::binary_needs_bdat);
  }
  conversation.start_message();
  conversation.mode = InputMode::data;
  conversation.reply(Reply::start_data);
}

}  // namespace postern::smtp

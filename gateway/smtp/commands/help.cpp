#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

void run_help(Conversation& conversation, const CommandCall& /*call*/) {
  conversation.reply(Reply::help);
}

}  // namespace postern::smtp

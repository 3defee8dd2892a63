#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

void run_rset(Conversation& conversation, const CommandCall& /*call*/) {
  conversation.reset_transaction();
  conversation.reply(Reply::reset_ok);
}

}  // namespace postern::smtp

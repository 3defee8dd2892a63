#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

void run_quit(Conversation& conversation, const CommandCall& /*call*/) {
  conversation.end_with(Reply::bye, EndReason::quit);
}

}  // namespace postern::smtp

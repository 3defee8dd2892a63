#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

// An argument is allowed and ignored.
void run_noop(Conversation& conversation, const CommandCall& /*call*/) {
  conversation.reply(Reply::noop_ok);
}

}  // namespace postern::smtp

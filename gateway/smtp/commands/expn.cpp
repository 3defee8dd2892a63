#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

// There are no mailing lists here, and if there were, their members would be nobody's business (RFC
// 5321 7.3). Not counted as a client's mistake.
void run_expn(Conversation& conversation, const CommandCall& /*call*/) {
  conversation.reply(Reply::not_implemented);
}

}  // namespace postern::smtp

#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

// The transaction and all else that is known of the client is forgotten when the handshake is
// complete (Conversation::forget_client()).
void run_starttls(Conversation& conversation, const CommandCall& /*call*/) {
  if (conversation.tls) return conversation.protocol_error(Reply::tls_active);
  if (!conversation.profile->starttls_offered()) return conversation.reply(Reply::tls_unavailable);
  conversation.reset_transaction();
  conversation.reply(Reply::ready_for_tls);
  conversation.out.start_tls = true;
  conversation.wait = Wait::handshake;
}

}  // namespace postern::smtp

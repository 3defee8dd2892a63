#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

// The octets of the chunk follow, also those of a chunk that is refused: they are read and thrown
// away before the answer, or they would be taken for commands.
void run_bdat(Conversation& conversation, const CommandCall& call) {
  const std::size_t space = call.arguments.find(' ');
  const auto octets = text::parse_number(call.arguments.substr(0, space));
  bool last = false;
  bool valid = octets.has_value();
  if (space != std::string_view::npos) {
    last = text::equal_folded(call.arguments.substr(call.arguments.find_first_not_of(' ', space)),
                              "LAST");
    valid = valid && last;
  }
  if (!valid) {
    // How many octets follow is unknown, and guessing would let a message's text run as commands.
    return conversation.end_with(Reply::bad_chunk_size, EndReason::bad_chunk);
  }

  Transaction& transaction = conversation.transaction;
  transaction.chunk_octets = *octets;
  transaction.chunk_octets_left = *octets;
  transaction.last_chunk = last;
  conversation.mode = InputMode::chunk;
  conversation.start_data_rate();
  transaction.chunk_refusal = call.refusal;
  if (!transaction.chunk_refusal && !transaction.open) transaction.chunk_refusal = Reply::no_sender;
  if (!transaction.chunk_refusal && conversation.message->envelope.recipients.empty()) {
    transaction.chunk_refusal = Reply::no_recipients;
  }
  if (!transaction.chunk_refusal && !transaction.chunking) {
    transaction.chunking = true;
    conversation.start_message();
  }
}

}  // namespace postern::smtp

// What a mutation does to a mailbox's rows.
#pragma once

#include "runtime/result.hpp"
#include "store/mutation.hpp"
#include "store/row_batch.hpp"

namespace postern::store {

/// Row thread. Stages the change; an error leaves no trace in the batch. The reply's position is 0:
/// it is known when the group is durable. All messages that one mutation changes get one modseq.
/// Errors: not_found, invalid_argument, exhausted (keyword table), corrupted, io.
Result<MutationReply> stage_mutation(RowBatch& batch, const MutationBody& mutation);

/// Row thread. Stages the expunge of `messages` (live, of this mailbox) under one new modseq. An
/// error leaves no trace. No messages: nothing.
Result<void> stage_removal(RowBatch& batch, CachedMailbox& mailbox,
                           const std::vector<MessageState>& messages);

}  // namespace postern::store

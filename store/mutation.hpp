// Changes that a sidecar asks of the store. Applied on the committer, atomic within one mailbox.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/result.hpp"
#include "store/types.hpp"

namespace postern::store {

/// Changes flags of messages (IMAP STORE). Unknown or expunged UIDs are skipped.
struct StoreFlags {
  enum class Mode : std::uint8_t { add, remove, replace };
  MailboxId mailbox{};
  std::vector<UidRange> uids;  ///< ascending, disjoint
  Mode mode = Mode::add;
  std::uint16_t system_flags = 0;  ///< Flag bits
  std::vector<std::string>
      keywords;  ///< by name; new ones are added to the mailbox's table (add, replace)
  std::optional<ModSeq>
      unchanged_since;  ///< RFC 7162: messages changed later are left and reported
};

/// Removes messages for good. POP3's UPDATE, IMAP's EXPUNGE, UID EXPUNGE and CLOSE.
struct Expunge {
  MailboxId mailbox{};
  std::vector<UidRange> uids;  ///< ascending, disjoint; candidates
  bool only_deleted = true;    ///< only those that carry \Deleted at the moment of the change
};

using MutationBody = std::variant<StoreFlags, Expunge>;

/// One change with its idempotency key: a client that lost the answer may send the same key again
/// and gets the first answer, for as long as the store remembers it (minutes).
struct Mutation {
  std::uint64_t key_high = 0;  ///< random per sidecar process
  std::uint64_t key_low = 0;   ///< counter within it
  MutationBody body;
};

/// What a mutation did.
struct MutationReply {
  StorePosition position = 0;         ///< a view at or past this shows the change
  ModSeq modseq = 0;                  ///< the mailbox's highest modseq after it
  std::uint32_t changed_count = 0;    ///< messages changed or removed
  std::vector<UidRange> not_applied;  ///< failed unchanged_since
};

}  // namespace postern::store

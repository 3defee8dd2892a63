// Sequence sets (RFC 3501 section 9, sequence-set): parsed from a command, resolved against the
// snapshot the client knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/result.hpp"
#include "sidecars/imap/arguments.hpp"
#include "store/mailbox_snapshot.hpp"

namespace postern::imap {

/// Unresolved ranges as written; 0 stands for "*".
struct SequenceSet {
  struct Range {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
  };
  std::vector<Range> ranges;
};

/// Inclusive indices into a snapshot.
struct IndexRange {
  std::size_t first = 0;
  std::size_t last = 0;
  friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

/// Ascending, disjoint, not adjacent.
using IndexSet = std::vector<IndexRange>;

/// Reads a set of at most kSequenceRangesMax ranges.
Result<SequenceSet> parse_sequence_set(Arguments& arguments);

/// Message sequence numbers to indices. invalid_argument when one is above the number of messages;
/// "*" in an empty mailbox names nothing.
Result<IndexSet> resolve_sequences(const SequenceSet& set, const store::MailboxSnapshot& snapshot);

/// UIDs to indices. Unknown UIDs are skipped; "*" is the last message.
IndexSet resolve_uids(const SequenceSet& set, const store::MailboxSnapshot& snapshot);

/// The UIDs at the indices, as ranges that hold no other message of the mailbox.
std::vector<store::UidRange> uid_ranges(const IndexSet& set,
                                        const store::MailboxSnapshot& snapshot);

/// How many messages a set names.
std::size_t count(const IndexSet& set) noexcept;

}  // namespace postern::imap

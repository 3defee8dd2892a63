// What the owner of a mailbox was told about its quota (POP-19), so that he is told once.
#pragma once

#include <cstdint>

#include "store/types.hpp"

namespace postern::store {

/// How full a mailbox with a quota is.
enum class QuotaLevel : std::uint8_t {
  none,  ///< below the threshold
  near,  ///< at it or above
  full,  ///< at the quota or above: gets no further mail
};

/// What the owner was told last. Level none: nothing that still counts.
struct QuotaNote {
  QuotaLevel level = QuotaLevel::none;
  std::int64_t told_unix_ms = 0;
  friend bool operator==(const QuotaNote&, const QuotaNote&) = default;
};

/// A mailbox and its note.
struct MailboxNote {
  MailboxId mailbox{};
  QuotaNote note;
  friend bool operator==(const MailboxNote&, const MailboxNote&) = default;
};

}  // namespace postern::store

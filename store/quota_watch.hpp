// Decides whose owner is to be told that the mailbox is nearly full, or full (POP-19, RFC 1939
// section 8). Values in, values out: no clock, no store, no mail.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "store/mailbox_quotas.hpp"
#include "store/quota_note.hpp"

namespace postern::store {

/// When owners are told.
struct QuotaRules {
  std::uint32_t warning_percent = 90;  ///< of the quota; 0: nobody is told
  std::chrono::seconds interval{};     ///< a level that lasts is told again after it; 0: never
};

/// A level counts as left when the use is this part of the quota below its threshold: deleting one
/// message and getting the next is not a new crossing each time.
inline constexpr std::uint64_t kQuotaMarginPercent = 5;

/// What is to be done about one mailbox.
struct QuotaNews {
  MailboxId mailbox{};
  QuotaUse use;
  QuotaLevel level = QuotaLevel::none;  ///< now: which text is sent
  QuotaNote note;                       ///< to be kept from now on; level none: none
  bool tell = true;                     ///< false: nothing is sent, the note alone is kept
};

/// Remembers who was told. One thread at a time.
class QuotaWatch {
 public:
  /// `notes`: as they were kept before.
  QuotaWatch(QuotaRules rules, const std::vector<MailboxNote>& notes);

  struct Look {
    std::vector<QuotaNews> news;
    std::size_t near_count = 0;  ///< mailboxes at level near now
    std::size_t full_count = 0;
  };
  /// Looks at all mailboxes with a limit: some 2 ns each. What it finds is found again by the next
  /// look unless kept() was called.
  Look look(const MailboxQuotas& quotas, std::int64_t now_unix_ms) const;
  /// The note is durable.
  void kept(MailboxId mailbox, QuotaNote note);

  std::size_t notes_count() const noexcept { return notes_.size(); }

 private:
  QuotaLevel level_of(const QuotaUse& use) const noexcept;
  /// Octets from which on the level holds.
  std::uint64_t threshold(QuotaLevel level, std::uint64_t limit_octets) const noexcept;
  /// The highest level up to `told` that the use has not left, margin considered.
  QuotaLevel lasting_level(QuotaLevel told, const QuotaUse& use) const noexcept;
  /// What is to be done about a mailbox whose owner was told `told`; nullopt: nothing.
  std::optional<QuotaNews> judge(MailboxId mailbox, const QuotaUse& use, const QuotaNote& told,
                                 std::int64_t now_unix_ms) const noexcept;
  bool is_due(const QuotaNote& note, std::int64_t now_unix_ms) const noexcept;

  QuotaRules rules_;
  std::unordered_map<MailboxId, QuotaNote> notes_;
};

}  // namespace postern::store

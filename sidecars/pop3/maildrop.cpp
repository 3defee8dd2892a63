#include "sidecars/pop3/maildrop.hpp"

#include <utility>

#include "runtime/assert.hpp"

namespace postern::pop3 {

Maildrop::Maildrop(store::MailboxSnapshotPtr snapshot) : snapshot_(std::move(snapshot)) {
  POSTERN_ASSERT(snapshot_ != nullptr);
  // Summed from the rows and not taken from the head's counter: STAT must agree with LIST whatever
  // happens to a counter. One walk over rows that are in memory, once a session.
  for (const auto& block : snapshot_->blocks())
    for (const auto& entry : *block) total_octets_ += entry.size_octets;
}

bool Maildrop::available(std::uint64_t number) const noexcept {
  return exists(number) && (marked_.empty() || !marked_[number - 1]);
}

const store::MessageEntry& Maildrop::entry(std::uint64_t number) const noexcept {
  POSTERN_ASSERT(exists(number));
  return (*snapshot_)[number - 1];
}

void Maildrop::mark_deleted(std::uint64_t number) {
  POSTERN_ASSERT(available(number));
  if (marked_.empty()) marked_.resize(count(), false);
  marked_[number - 1] = true;
  ++marked_count_;
  marked_octets_ += entry(number).size_octets;
}

void Maildrop::reset_marks() noexcept {
  marked_.clear();
  marked_count_ = 0;
  marked_octets_ = 0;
}

void Maildrop::note_retrieved(std::uint64_t number) {
  POSTERN_ASSERT(exists(number));
  if (retrieved_.empty()) retrieved_.resize(count(), false);
  retrieved_[number - 1] = true;
}

void Maildrop::mark_retrieved() {
  for (std::size_t i = 0; i < retrieved_.size(); ++i)
    if (retrieved_[i] && available(i + 1)) mark_deleted(i + 1);
}

std::vector<store::UidRange> Maildrop::marked_uids() const {
  std::vector<store::UidRange> ranges;
  for (std::size_t i = 0; i < marked_.size(); ++i) {
    if (!marked_[i]) continue;
    const store::Uid uid = (*snapshot_)[i].uid;
    if (!ranges.empty() && ranges.back().last + 1 == uid)
      ranges.back().last = uid;
    else
      ranges.push_back({uid, uid});
  }
  return ranges;
}

store::MailboxId Maildrop::mailbox() const noexcept {
  return snapshot_ ? snapshot_->head().id : store::MailboxId{};
}

}  // namespace postern::pop3

#include "store/mailbox_quotas.hpp"

#include <algorithm>

namespace postern::store {

namespace {

// Chunks that the first index has room for: a quarter of a million mailboxes.
constexpr std::size_t kIndexChunks = 64;

}  // namespace

MailboxQuotas::MailboxQuotas(std::uint64_t default_octets) : default_octets_(default_octets) {
  indexes_.push_back(std::make_unique<Index>(kIndexChunks));
  index_.store(indexes_.back().get(), std::memory_order_release);
}

MailboxQuotas::~MailboxQuotas() = default;

const MailboxQuotas::Cell* MailboxQuotas::find(MailboxId mailbox) const noexcept {
  const Index& index = *index_.load(std::memory_order_acquire);
  const std::uint64_t chunk = raw(mailbox) / kChunkCells;
  if (chunk >= index.size()) return nullptr;
  const Chunk* found = index[chunk].load(std::memory_order_acquire);
  return found == nullptr ? nullptr : &found->cells[raw(mailbox) % kChunkCells];
}

MailboxRoom MailboxQuotas::room_for(MailboxId mailbox, std::uint64_t size_octets) const noexcept {
  const QuotaUse use = use_of(mailbox);
  if (use.limit_octets == 0) return MailboxRoom::enough;
  if (size_octets > use.limit_octets) return MailboxRoom::too_large;
  if (use.full() || size_octets > use.limit_octets - use.used_octets) return MailboxRoom::full;
  return MailboxRoom::enough;
}

QuotaUse MailboxQuotas::use_of(MailboxId mailbox) const noexcept {
  const Cell* found = find(mailbox);
  return found == nullptr ? QuotaUse{} : found->load();
}

void MailboxQuotas::each_limited(
    const std::function<void(MailboxId, const QuotaUse&)>& visit) const {
  const Index& index = *index_.load(std::memory_order_acquire);
  for (std::size_t at = 0; at < index.size(); ++at) {
    const Chunk* chunk = index[at].load(std::memory_order_acquire);
    if (chunk == nullptr) continue;
    for (std::size_t i = 0; i < kChunkCells; ++i) {
      const QuotaUse use = chunk->cells[i].load();
      if (use.limit_octets != 0) visit(MailboxId{at * kChunkCells + i}, use);
    }
  }
}

MailboxQuotas::Cell& MailboxQuotas::cell(MailboxId mailbox) {
  const std::size_t at = raw(mailbox) / kChunkCells;
  if (at >= indexes_.back()->size()) {
    const Index& old = *indexes_.back();
    auto larger = std::make_unique<Index>(std::max(old.size() * 2, at + 1));
    for (std::size_t i = 0; i < old.size(); ++i) {
      (*larger)[i].store(old[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    index_.store(larger.get(), std::memory_order_release);
    indexes_.push_back(std::move(larger));
  }
  std::atomic<Chunk*>& place = (*indexes_.back())[at];
  Chunk* chunk = place.load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    chunk = chunks_.emplace_back(std::make_unique<Chunk>()).get();
    place.store(chunk, std::memory_order_release);
  }
  return chunk->cells[raw(mailbox) % kChunkCells];
}

void MailboxQuotas::set_used(MailboxId mailbox, std::uint64_t octets) {
  cell(mailbox).used_octets.store(octets, std::memory_order_release);
}

void MailboxQuotas::set_limit(MailboxId mailbox, std::optional<std::uint64_t> own_octets) {
  put_limit(cell(mailbox), own_octets.value_or(default_octets_));
}

void MailboxQuotas::remove(MailboxId mailbox) {
  Cell& gone = cell(mailbox);
  put_limit(gone, 0);
  gone.used_octets.store(0, std::memory_order_release);
}

void MailboxQuotas::put_limit(Cell& cell, std::uint64_t octets) {
  const bool had = cell.limit_octets.load(std::memory_order_relaxed) != 0;
  cell.limit_octets.store(octets, std::memory_order_release);
  const std::uint64_t count = limited_count_.load(std::memory_order_relaxed);
  limited_count_.store(count + (octets != 0) - had, std::memory_order_relaxed);
}

}  // namespace postern::store

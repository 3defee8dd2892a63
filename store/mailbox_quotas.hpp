// What every mailbox holds and may hold, in memory, for RCPT to ask without a lock (POP-19).
//
// A mailbox has two words of its own. The row thread writes them when a group of changes is written
// and before anybody hears of it, so whoever got an answer finds its effect here. Cores read the
// words of the mailbox that they are asked about and nothing that other mailboxes' mail moves.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "store/types.hpp"

namespace postern::store {

/// One mailbox's use of its quota.
struct QuotaUse {
  std::uint64_t used_octets = 0;   ///< MailboxHead::total_octets
  std::uint64_t limit_octets = 0;  ///< 0: no limit
  friend bool operator==(const QuotaUse&, const QuotaUse&) = default;

  bool full() const noexcept { return limit_octets != 0 && used_octets >= limit_octets; }
};

/// Whether a mailbox takes another message.
enum class MailboxRoom : std::uint8_t {
  enough,
  full,       ///< not now: something must go first
  too_large,  ///< never: the message alone is larger than the quota
};

/// Indexed by mailbox id: ids are given out in sequence and never again. Memory: 16 octets a
/// mailbox, in chunks of 64 KiB that come with the first mailbox in them and stay. One writer,
/// which is the row thread once that runs; any number of readers.
class MailboxQuotas {
 public:
  /// `default_octets`: what mailboxes without a quota of their own may hold; 0: no limit.
  explicit MailboxQuotas(std::uint64_t default_octets = 0);
  ~MailboxQuotas();
  MailboxQuotas(const MailboxQuotas&) = delete;
  MailboxQuotas& operator=(const MailboxQuotas&) = delete;

  // --- any thread ---

  /// Whether the mailbox takes a message of `size_octets` (0: of unknown size). It does unless it
  /// is full or the message is larger than what is left. A mailbox that is not here has no limit.
  MailboxRoom room_for(MailboxId mailbox, std::uint64_t size_octets) const noexcept;
  QuotaUse use_of(MailboxId mailbox) const noexcept;
  /// Mailboxes with a limit.
  std::uint64_t limited_count() const noexcept {
    return limited_count_.load(std::memory_order_relaxed);
  }
  /// Calls `visit` for every mailbox with a limit. Reads 16 octets for every id ever given out.
  void each_limited(const std::function<void(MailboxId, const QuotaUse&)>& visit) const;

  // --- the writer ---

  void set_used(MailboxId mailbox, std::uint64_t octets);
  /// `own_octets`: the account's own quota, 0: no limit; nullopt: the default.
  void set_limit(MailboxId mailbox, std::optional<std::uint64_t> own_octets);
  /// The mailbox is gone.
  void remove(MailboxId mailbox);

 private:
  struct Cell {
    std::atomic<std::uint64_t> used_octets{0};
    std::atomic<std::uint64_t> limit_octets{0};
    QuotaUse load() const noexcept {
      return {.used_octets = used_octets.load(std::memory_order_acquire),
              .limit_octets = limit_octets.load(std::memory_order_acquire)};
    }
  };
  static constexpr std::size_t kChunkCells = 4096;
  struct Chunk {
    std::array<Cell, kChunkCells> cells;
  };
  using Index = std::vector<std::atomic<Chunk*>>;

  const Cell* find(MailboxId mailbox) const noexcept;
  Cell& cell(MailboxId mailbox);
  void put_limit(Cell& cell, std::uint64_t octets);

  const std::uint64_t default_octets_;
  std::atomic<const Index*> index_;
  std::atomic<std::uint64_t> limited_count_{0};
  // The writer's. An index that was replaced by a larger one stays: somebody may be reading it.
  std::vector<std::unique_ptr<Index>> indexes_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace postern::store

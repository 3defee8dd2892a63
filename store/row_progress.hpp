// How far the row stage is: the redo position that goes with its groups (redo_log.hpp), what of it
// is synced, and what asks for an fsync.
#pragma once

#include <chrono>
#include <cstdint>

#include "runtime/time.hpp"
#include "store/redo_log.hpp"

namespace postern::store {

/// Row thread only.
///
/// A refusal must be settled before anything behind it is acknowledged. A refused message has a
/// redo record, and perhaps its octets: if the power failed now, the next start would deliver it,
/// and every message behind it would get another uid than it had. So the first group that can be
/// written after one that failed tells the position behind the refused messages, synced.
class RowProgress {
 public:
  /// Groups of arrivals between two fsyncs of mail/ under load: what start-up has to write again
  /// after a power loss, some thousand messages.
  static constexpr std::uint32_t kUnsyncedGroupsMax = 256;

  explicit RowProgress(std::uint64_t next_group) noexcept : position_{.group = next_group} {}

  /// Every request before `position` is staged, or was refused.
  void move_to(schema::GroupPosition position) noexcept {
    position_ = position;
    moved_ = true;
  }
  /// The last request of body group `number` was staged: the same place, said in another way.
  void finish(std::uint64_t number) noexcept { position_ = {.group = number + 1}; }

  schema::GroupPosition position() const noexcept { return position_; }
  /// The position is not in the database yet.
  bool moved() const noexcept { return moved_; }
  /// The next group has to be synced, whatever is in it.
  bool must_sync() const noexcept { return refusal_ || unsynced_groups_ >= kUnsyncedGroupsMax; }
  /// Messages were refused, and what is synced does not say so.
  bool has_refusal() const noexcept { return refusal_; }
  /// Groups were written and not synced.
  bool has_unsynced() const noexcept { return unsynced_groups_ > 0; }
  /// One of both waits since `after`.
  bool sync_due(MonoTime now, std::chrono::milliseconds after) const noexcept {
    return (refusal_ || unsynced_groups_ > 0) && now - since_ >= after;
  }

  /// The group was written at `now`, with the position, and not synced.
  void written(MonoTime now) noexcept {
    moved_ = false;
    if (unsynced_groups_++ == 0) since_ = now;
  }
  /// Everything written so far is synced; the position was with it. true: it is another body group
  /// than the last time.
  bool synced() noexcept {
    moved_ = false;
    refusal_ = false;
    unsynced_groups_ = 0;
    if (position_.group == synced_below_) return false;
    synced_below_ = position_.group;
    return true;
  }
  /// The group could not be written; requests in it are refused.
  void failed(MonoTime now) noexcept {
    if (!moved_) return;
    refusal_ = true;
    since_ = now;
  }

 private:
  schema::GroupPosition position_;  // redo position of what is staged
  bool moved_ = false;
  bool refusal_ = false;
  std::uint32_t unsynced_groups_ = 0;
  MonoTime since_{};                // the oldest of them, or the last try
  std::uint64_t synced_below_ = 0;  // groups the body stage knows to be synced
};

}  // namespace postern::store

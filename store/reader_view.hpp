// A sidecar's view of the store: everything a mail session reads.
//
// The view follows the gateway's store through two RocksDB secondary instances. It shows one moment
// of the store and moves on only when asked to (advance_to), so what several reads of it say fits
// together as long as nobody asks. No RocksDB type appears here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "store/mailbox_snapshot.hpp"
#include "store/types.hpp"

namespace postern::store {

/// How long advance_to() tries by default. A catch-up takes milliseconds; seconds mean that the
/// disk or the gateway is in trouble, and a mail client waits longer than this for an answer.
inline constexpr std::chrono::milliseconds kAdvanceTimeout{5'000};

struct ReaderViewOptions {
  std::string store_path;  ///< folder that holds mail/ and bodies/, as HelloReply says
  std::string
      scratch_path;  ///< this process's own folder, for RocksDB's logs; created when missing
  /// Messages in cached snapshots, all mailboxes together; 56 octets each (112 MiB). Enough to have
  /// twenty mailboxes of 100,000 messages, or two thousand ordinary ones, at hand.
  std::size_t cache_entries_max = 2'000'000;
  std::size_t mail_block_cache_octets = std::size_t{64} << 20;  ///< rows of cold mailboxes
  std::size_t bodies_block_cache_octets = std::size_t{32}
                                          << 20;  ///< messages read twice (TOP, then RETR)
};

/// Counters since open, for metrics.
struct ReaderViewStats {
  std::uint64_t catch_ups = 0;         ///< of mail/, successful
  std::uint64_t catch_up_micros = 0;   ///< time they took together
  std::uint64_t catch_ups_failed = 0;  ///< attempts that were incomplete and were repeated
  std::uint64_t body_catch_ups = 0;
  std::uint64_t reopens = 0;              ///< asked for, or after repeated failures
  std::uint64_t snapshots_unchanged = 0;  ///< answered by a head check
  std::uint64_t snapshots_incremental = 0;
  std::uint64_t snapshots_full = 0;
  /// Reads whose messages did not add up to their mailbox's head, done again on a fresh view. Not
  /// zero: the writer cleared rows away before this view was past them, or a head is wrong.
  std::uint64_t mismatches = 0;
  std::uint64_t miscounted_mailboxes = 0;  ///< whose head is wrong for good: a defect of the writer
  std::size_t cached_snapshots = 0;
  std::size_t cached_entries = 0;
};

/// Any number of worker threads at once; every call may block on the disk, so never an event loop's
/// thread. Errors of all reads: unavailable (the view cannot be brought in order now), corrupted
/// (what is stored does not decode), io, and what each says.
class ReaderView {
 public:
  /// Opens both databases and catches up. unavailable: there is no store at that path (yet).
  static Result<std::unique_ptr<ReaderView>> open(ReaderViewOptions options);
  ~ReaderView();
  ReaderView(const ReaderView&) = delete;
  ReaderView& operator=(const ReaderView&) = delete;

  /// Returns once the view shows everything acknowledged at or before `position`: at once when it
  /// does already. Callers that come together share one catch-up. unavailable: not within
  /// `timeout`.
  Result<void> advance_to(StorePosition position,
                          std::chrono::milliseconds timeout = kAdvanceTimeout);
  /// Moves the view to what the store holds now, whatever that is.
  Result<void> advance(std::chrono::milliseconds timeout = kAdvanceTimeout);
  /// How far the view is. One load.
  StorePosition position() const noexcept;

  /// The mailbox as the view shows it. `previous`: an older snapshot of it that the caller has, or
  /// null; the cost is then that of what changed since, and nothing changed gives `previous` itself
  /// (or an equal snapshot that another session has). The head's counters always agree with the
  /// messages. not_found: no such mailbox.
  Result<MailboxSnapshotPtr> snapshot(MailboxId mailbox, MailboxSnapshotPtr previous);
  /// Its counters alone. not_found.
  Result<MailboxHead> head(MailboxId mailbox);
  /// The account's folders, by name; none for an account that does not exist.
  Result<std::vector<Folder>> folders(AccountId account);
  /// `length` octets of a message from `offset` on; fewer, or none, where it ends before.
  /// not_found: there is no such body (any more). Independent of position(): a body that a visible
  /// row names is found.
  Result<std::string> read_body(BodyId body, std::uint64_t offset, std::uint64_t length);

  /// Opens both databases anew: call it when the gateway was restarted (HelloReply::gateway_epoch
  /// changed). Reads go on meanwhile, on the old view. On error the old view stays.
  Result<void> reopen(std::chrono::milliseconds timeout = kAdvanceTimeout);

  ReaderViewStats stats() const;

 private:
  class State;
  explicit ReaderView(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace postern::store

// The gateway's way into the store: asynchronous, groups in and completions out. Engine-neutral.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "store/envelope.hpp"
#include "store/message_body.hpp"
#include "store/quota_note.hpp"
#include "store/types.hpp"

namespace postern::store {

/// How a commit ended.
enum class SpoolOutcome {
  pending,     ///< not answered yet
  durable,     ///< on disk, fsynced, and visible: the only outcome that may become a 250
  store_busy,  ///< the engine would stall or the queue is full: try again later (452 4.3.1)
  no_space,    ///< the disk is full (452 4.3.1)
  failed,  ///< the store reports an error; nothing of this message is visible (451 4.3.0), unless
           ///< an fsync failed: then the next start finds out whether it is there, whole
};

/// One message handed to the store by a session. The driver creates it, keeps it alive (it owns it
/// through `unique_ptr` and gives the spool a plain pointer) and must not touch it between a
/// successful submit and the completion.
///
/// Lifetime of a body: a streamed message is submitted several times with `last == false` (segments
/// of full chunks, in order, one at a time), then once with `last == true`. If a streamed message
/// is given up, it is submitted with `abandon == true` so that its chunks are removed.
///
/// Outcomes of a submit that is not the last: `durable` says that the segment was taken and the
/// next may follow; anything else that the message cannot be stored, and the submitter gives it up
/// with `abandon`. An `abandon` always completes as `durable`. After a failed last submit there is
/// nothing to abandon.
struct SpoolRequest {
  // --- set by the submitter ---
  std::string id;                 ///< the message's public id (Received, 250 reply, logs)
  Envelope envelope;              ///< complete when last == true
  BodySegment segment;            ///< octets to write with this submit
  std::uint64_t size_octets = 0;  ///< of the whole stored body; valid when last == true
  std::uint32_t relay_offset_octets =
      0;  ///< leading octets that only local mailboxes see (Return-Path line)
  std::int64_t arrival_unix_ms = 0;  ///< INTERNALDATE and queue time
  /// The message tells the owners of its mailboxes about their quota: kept together with its rows.
  /// A power loss may take the note and leave the message, never the other way round.
  std::optional<QuotaNote> quota_note;
  bool last = true;
  bool abandon = false;
  std::uint32_t core = 0;  ///< index of the core that submits and gets the completion

  // --- set by the store ---
  BodyId body{};  ///< assigned at the first submit; 0 before
  SpoolOutcome outcome = SpoolOutcome::pending;
  std::string error;  ///< for the log when outcome is not durable

  // --- the submitter's own, opaque to the store ---
  void* owner = nullptr;
};

/// Accepts messages from core threads. submit() never blocks and takes no lock.
class Spool {
 public:
  virtual ~Spool() = default;
  /// Core thread `request->core` only. true: the store has the request and will give it back
  /// exactly once through that core's completion queue (CompletionSink). false: the queue is full;
  /// nothing was taken, answer store_busy.
  virtual bool submit(SpoolRequest* request) = 0;
};

/// How completions come back: implemented by whoever owns the cores (gateway/main).
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  /// Committer thread. Hands `count` finished requests, all of one core, back to that core and
  /// wakes it if it sleeps. Never blocks for long: a core's queue has room for everything it can
  /// have in flight.
  virtual void complete(std::uint32_t core, SpoolRequest** requests, std::size_t count) = 0;
};

}  // namespace postern::store

// Tells the client what has changed in its mailbox: EXPUNGE, EXISTS, FLAGS and FETCH, in that
// order, in pieces that a slow reader can take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sidecars/imap/context.hpp"

namespace postern::imap {

/// One report. begin() computes it and moves SelectedMailbox::reported; emit() writes it.
class MailboxSync {
 public:
  struct Options {
    bool expunge = false;   ///< EXPUNGE may be sent now (RFC 3501 7.4.1)
    bool flags = true;      ///< FETCH for flags that others changed (IMAP-37)
    bool with_uid = false;  ///< FETCH carries UID
    const SyncWish* wish =
        nullptr;  ///< of the command that ends; nullptr: none. Used in begin() only
  };

  /// From mailbox.reported to mailbox.latest. The previous report must be finished.
  void begin(SelectedMailbox& mailbox, const Options& options);
  /// Appends until all is said (true) or context.full() (false).
  bool emit(Context& context);

 private:
  std::vector<std::uint32_t> expunged_;  // indices in the old picture, taken from the back
  std::vector<std::uint32_t> flags_;     // indices in `picture_`
  std::size_t flags_done_ = 0;
  store::MailboxSnapshotPtr picture_;  // what the client knows afterwards
  bool exists_ = false;
  bool keywords_ = false;
  bool with_uid_ = false;
};

}  // namespace postern::imap

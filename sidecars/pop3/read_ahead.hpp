// What is read from the store for RETR and TOP, and what was read too early on purpose.
//
// Clients fetch messages one after the other, in either direction, and some send all RETRs at once.
// One trip to the store for each would make the trip the price of a mail. So a trip asks for the
// message wanted now and, in the same BodiesRequest, for whole small messages that are about to be
// wanted: those named by commands that already wait in the input, then those next in the client's
// direction. One batch is the most that is held: kReadBatchOctets octets, kReadAheadMessagesMax
// messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "sidecars/common/mail_requests.hpp"
#include "sidecars/pop3/maildrop.hpp"

namespace postern::pop3 {

/// Octets of one message, from `offset` on, or why there are none.
struct BodyPiece {
  std::uint64_t number = 0;  ///< message-number
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  ///< octets that were asked for
  Result<std::string> octets;
};

/// Plans reads and keeps what came back. Owned by one session.
class ReadAhead {
 public:
  /// Which command the octets are for. A TOP reads only the beginning of a message.
  enum class Use : std::uint8_t { whole, top };

  /// Tells which message a command wants now, and the input behind the command. Learns the
  /// direction the client reads in and notes the RETRs and TOPs that wait in `pending_input`.
  void note_wanted(std::uint64_t number, Use use, std::string_view pending_input);

  /// The piece that begins at `offset` of message `number`, if it was read already. Removes it.
  std::optional<BodyPiece> take(std::uint64_t number, std::uint64_t offset);

  /// Drops what is held and plans the next trip: `length` octets at `offset` of message `number`
  /// first, then, if they leave room, messages to come. `length` is at most kReadBatchOctets.
  sidecars::BodiesRequest plan(const Maildrop& maildrop, std::uint64_t number, std::uint64_t offset,
                               std::uint64_t length, Use use);
  /// The answer to the last plan: as many parts, in order.
  void fill(sidecars::BodiesReply reply);
  /// Drops everything held.
  void clear() noexcept;

  /// Octets held now. For tests of the bound.
  std::uint64_t held_octets() const noexcept;

 private:
  bool add(const Maildrop& maildrop, std::uint64_t number, Use use, std::uint64_t& room);

  std::vector<BodyPiece> pieces_;  // in the order planned; taken ones have number 0
  std::size_t first_ =
      0;  // pieces before it are taken: a sequential reader finds its piece at once
  std::vector<std::uint64_t> waiting_numbers_;  // wanted by commands that wait in the input
  std::uint64_t last_wanted_ = 0;
  int direction_ = 0;  // +1, -1: the client's last two wishes were neighbours; 0: no pattern
};

}  // namespace postern::pop3

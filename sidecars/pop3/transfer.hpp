// What is being sent to the client, when it is too long to be made at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "sidecars/pop3/dot_stuffer.hpp"

namespace postern::pop3 {

/// RETR or TOP on its way out.
struct Transfer {
  std::uint64_t number = 0;
  std::uint64_t size_octets = 0;  // of the message
  std::uint64_t next_offset = 0;  // of the next octet to get from the store or the read-ahead
  std::optional<TopLimiter> top;  // TOP: where to stop
  std::uint64_t top_lines = 0;
  DotStuffer stuffer;
  std::string octets;           // read and not yet sent
  std::size_t octets_sent = 0;  // of those
  bool status_sent = false;     // +OK is out: an error can only close the connection
};
/// LIST or UIDL of the whole maildrop on its way out.
struct Listing {
  bool unique_ids = false;
  std::uint64_t next_number = 1;
};

}  // namespace postern::pop3

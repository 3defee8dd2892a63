// Keys of TLS session tickets: shared by all cores of a process, so that a client that comes back
// to another core resumes all the same, and renewed while it runs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "runtime/time.hpp"

namespace postern {

/// One generation: 16 octets of name, 16 of HMAC key, 16 of AES key.
using TicketKeys = std::array<std::uint8_t, 48>;
/// Fresh random keys.
TicketKeys make_ticket_keys();

/// Two generations, as RFC 5077 section 5.5 and 8446 C.4 want it: tickets are made with `current`;
/// those of `previous` are still taken, and replaced.
struct TicketKeyring {
  TicketKeys current{};
  std::optional<TicketKeys> previous;
  /// Life of a ticket, which is the period of a key: one made at the end of its key's period is
  /// good for the whole next one. Zero: clients cannot resume.
  Duration lifetime{};

  static TicketKeyring make(Duration lifetime) {
    return {.current = make_ticket_keys(), .previous = std::nullopt, .lifetime = lifetime};
  }
  /// The ring of the next period.
  TicketKeyring rotated() const {
    return {.current = make_ticket_keys(), .previous = current, .lifetime = lifetime};
  }
};

}  // namespace postern

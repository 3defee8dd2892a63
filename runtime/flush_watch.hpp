// How long the last octets of a connection may take to leave.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/time.hpp"

namespace postern {

/// Bounds of the end of a connection. Tests have shorter ones.
struct FlushLimits {
  /// Time between two looks at what the client has taken. Whoever took nothing between two of them
  /// reads no more, or is gone: with the first look as a start that is after half a minute.
  Duration look_interval = std::chrono::seconds(15);
  /// Longest time in all, for a client that takes an octet now and then: for the half megabyte that
  /// may be left at the end, 900 octets a second are quick enough.
  Duration total_max = std::chrono::minutes(10);
};

/// Gives a closing connection time as long as its client takes octets. What it takes is what its
/// kernel acknowledges (TCP_INFO): a send in flight tells nothing before all of it has gone. On a
/// Unix socket nothing is seen to be taken, so there two looks are all the time there is.
class FlushWatch {
 public:
  /// The last octets were handed over. Gives when to look.
  MonoTime begin(const FlushLimits& limits, MonoTime now) noexcept;
  /// Gives when to look again; nullopt: the time is over. A system call that does not wait.
  std::optional<MonoTime> look(int fd, const FlushLimits& limits, MonoTime now) noexcept;

 private:
  MonoTime end_{};
  std::optional<std::uint64_t> acknowledged_octets_;  // at the last look
};

}  // namespace postern

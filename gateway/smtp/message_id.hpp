// Public ids of messages: what Received, the 250 reply, the logs and the queue list call a message.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/time.hpp"

namespace postern::smtp {

/// Where a session takes message ids from. One per core, used on that core's thread only.
class MessageIdSource {
 public:
  virtual ~MessageIdSource() = default;
  /// Writes a new id into `id` (its old content is replaced, its capacity used again).
  virtual void next(Now now, std::string& id) = 0;
};

/// Ids of 14 characters: milliseconds since 1970 (42 bits, until 2109), a counter within the
/// millisecond (12), a tag of this start of the process (8) and the core (8), most significant
/// first, in base 32 without letters that look like digits. So ids sort by time, no two cores make
/// the same one, and a clock that was set back makes ids that go on from the last one. The tag is
/// for the clock that was set back while the process was down.
class MessageIdGenerator final : public MessageIdSource {
 public:
  static constexpr std::size_t kLength = 14;

  /// `core` < 256 is the core's index, `start_unix_ms` the wall clock when the process started.
  MessageIdGenerator(std::uint32_t core, std::int64_t start_unix_ms);
  void next(Now now, std::string& id) override;

 private:
  std::uint64_t last_ms_;
  std::uint32_t counter_ = 0;  // ids made in last_ms_
  std::uint32_t suffix_;       // tag and core
};

}  // namespace postern::smtp

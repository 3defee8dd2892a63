// The octets of one message on their way into the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/types.hpp"

namespace postern::store {

/// A run of octets taken out of a MessageBody: pieces of memory to be written back to back.
struct BodySegment {
  std::uint32_t first_chunk =
      0;  ///< index of its first stored chunk; it covers whole chunks, but for the last
  std::vector<std::string> pieces;  ///< in order
  std::size_t octets = 0;
};

/// Collects a message as it arrives. Octets are copied once, from the receive buffer to here.
/// Filled by a session on its core; its segments travel to the committer.
///
/// Small messages stay in memory until their commit. A message above the spill threshold hands its
/// full chunks over while it arrives (take_full_chunks), so a connection's memory is bounded by a
/// few chunks.
class MessageBody {
 public:
  /// Appends octets; any length, any split.
  void append(std::string_view octets);
  /// All octets appended so far, spilled ones included.
  std::uint64_t size() const noexcept { return size_octets_; }
  /// Octets held in memory now.
  std::size_t buffered() const noexcept { return buffered_octets_; }
  /// Whether any segment was taken already.
  bool spilled() const noexcept { return next_chunk_ > 0; }
  /// Removes and returns all whole stored chunks (kBodyChunkOctets each) buffered so far; may be
  /// empty.
  BodySegment take_full_chunks();
  /// Removes and returns everything that is left, for the commit. The body accepts no more octets
  /// after.
  BodySegment take_rest();

 private:
  std::vector<std::string>
      pieces_;  // each at most kBodyChunkOctets and never across a chunk border
  std::size_t buffered_octets_ = 0;
  std::uint64_t size_octets_ = 0;
  std::uint32_t next_chunk_ = 0;  // index of the first chunk still buffered
};

}  // namespace postern::store

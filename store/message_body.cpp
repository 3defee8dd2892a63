#include "store/message_body.hpp"

#include <algorithm>

#include "runtime/assert.hpp"

namespace postern::store {

namespace {

// A first piece of this size holds a typical mail (median some 5-10 KiB) without growing; later
// pieces are whole chunks, so a large mail costs one allocation a chunk.
constexpr std::size_t kFirstPieceOctets = 8 * 1024;

}  // namespace

void MessageBody::append(std::string_view octets) {
  size_octets_ += octets.size();
  buffered_octets_ += octets.size();
  while (!octets.empty()) {
    if (pieces_.empty() || pieces_.back().size() == kBodyChunkOctets) {
      pieces_.emplace_back();
      pieces_.back().reserve(size_octets_ <= kFirstPieceOctets ? kFirstPieceOctets
                                                               : kBodyChunkOctets);
    }
    std::string& piece = pieces_.back();
    const std::size_t take = std::min(octets.size(), kBodyChunkOctets - piece.size());
    piece.append(octets.substr(0, take));
    octets.remove_prefix(take);
  }
}

BodySegment MessageBody::take_full_chunks() {
  BodySegment segment{.first_chunk = next_chunk_};
  auto end = pieces_.begin();
  while (end != pieces_.end() && end->size() == kBodyChunkOctets) ++end;
  segment.pieces.assign(std::make_move_iterator(pieces_.begin()), std::make_move_iterator(end));
  pieces_.erase(pieces_.begin(), end);
  segment.octets = segment.pieces.size() * kBodyChunkOctets;
  next_chunk_ += static_cast<std::uint32_t>(segment.pieces.size());
  buffered_octets_ -= segment.octets;
  return segment;
}

BodySegment MessageBody::take_rest() {
  BodySegment segment{.first_chunk = next_chunk_, .octets = buffered_octets_};
  segment.pieces = std::move(pieces_);
  pieces_.clear();
  buffered_octets_ = 0;
  return segment;
}

}  // namespace postern::store

#include "sidecars/pop3/read_ahead.hpp"

#include <algorithm>
#include <utility>

#include "runtime/assert.hpp"
#include "sidecars/pop3/command_line.hpp"
#include "sidecars/pop3/limits.hpp"

namespace postern::pop3 {

namespace {

// The message-numbers of the commands `verb` in `input`, in order. Lines whose end has not come are
// left.
std::vector<std::uint64_t> numbers_in(std::string_view input, std::string_view verb) {
  std::vector<std::uint64_t> numbers;
  for (std::size_t lines = 0; lines < kLookAheadLinesMax; ++lines) {
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos || numbers.size() == kReadAheadMessagesMax) break;
    std::string_view text = input.substr(0, end);
    input.remove_prefix(end + 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    const CommandLine line = split_command_line(text);
    if (line.argument_count == 0 || !equals_ignoring_case(line.keyword, verb)) continue;
    if (const auto number = parse_number(line.arguments[0])) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

void ReadAhead::note_wanted(std::uint64_t number, Use use, std::string_view pending_input) {
  if (last_wanted_ == 0)
    direction_ = number == 1 ? 1 : 0;  // who begins at the first message usually goes on
  else if (number == last_wanted_ + 1)
    direction_ = 1;
  else if (number + 1 == last_wanted_)
    direction_ = -1;
  else if (number != last_wanted_)  // TOP n, then RETR n says nothing new
    direction_ = 0;
  last_wanted_ = number;
  waiting_numbers_.clear();
  const bool held = std::any_of(
      pieces_.begin() + static_cast<std::ptrdiff_t>(first_), pieces_.end(),
      [number](const BodyPiece& piece) { return piece.number == number && piece.offset == 0; });
  if (!held) waiting_numbers_ = numbers_in(pending_input, use == Use::whole ? "RETR" : "TOP");
}

std::optional<BodyPiece> ReadAhead::take(std::uint64_t number, std::uint64_t offset) {
  for (std::size_t i = first_; i < pieces_.size(); ++i) {
    if (pieces_[i].number != number || pieces_[i].offset != offset) continue;
    BodyPiece piece = std::move(pieces_[i]);
    pieces_[i] = BodyPiece{};
    while (first_ < pieces_.size() && pieces_[first_].number == 0) ++first_;
    return piece;
  }
  return std::nullopt;
}

sidecars::BodiesRequest ReadAhead::plan(const Maildrop& maildrop, std::uint64_t number,
                                        std::uint64_t offset, std::uint64_t length, Use use) {
  POSTERN_ASSERT(length >= 1 && length <= sidecars::kReadBatchOctets);
  clear();
  pieces_.push_back({number, offset, length, {}});
  std::uint64_t room = sidecars::kReadBatchOctets - length;
  bool more = true;
  for (const std::uint64_t next : waiting_numbers_)
    if (more) more = add(maildrop, next, use, room);
  waiting_numbers_.clear();
  std::uint64_t next = number;
  while (more && direction_ != 0) {
    next = direction_ > 0 ? next + 1 : next - 1;
    if (!maildrop.exists(next)) break;
    more = add(maildrop, next, use, room);
  }
  sidecars::BodiesRequest request;
  request.ranges.reserve(pieces_.size());
  for (const BodyPiece& piece : pieces_)
    request.ranges.push_back({maildrop.entry(piece.number).body, piece.offset, piece.length});
  return request;
}

// Adds message `number` to the plan if it is worth it; false: the plan is full.
bool ReadAhead::add(const Maildrop& maildrop, std::uint64_t number, Use use, std::uint64_t& room) {
  if (pieces_.size() >= kReadAheadMessagesMax) return false;
  if (!maildrop.available(number)) return true;
  const bool planned = std::any_of(pieces_.begin(), pieces_.end(),
                                   [number](const BodyPiece& p) { return p.number == number; });
  std::uint64_t length = maildrop.entry(number).size_octets;
  if (use == Use::top) length = std::min(length, kTopFirstReadOctets);
  if (planned || length == 0) return true;
  if (length > room) return false;
  room -= length;
  pieces_.push_back({number, 0, length, {}});
  return true;
}

void ReadAhead::fill(sidecars::BodiesReply reply) {
  POSTERN_ASSERT(reply.parts.size() == pieces_.size());
  for (std::size_t i = 0; i < pieces_.size(); ++i) pieces_[i].octets = std::move(reply.parts[i]);
}

void ReadAhead::clear() noexcept {
  pieces_.clear();
  first_ = 0;
}

std::uint64_t ReadAhead::held_octets() const noexcept {
  std::uint64_t octets = 0;
  for (const BodyPiece& piece : pieces_)
    if (piece.number != 0 && piece.octets) octets += piece.octets->size();
  return octets;
}

}  // namespace postern::pop3

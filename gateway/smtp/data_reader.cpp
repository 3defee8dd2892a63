#include "gateway/smtp/data_reader.hpp"

#include <cstdint>
#include <cstring>

namespace postern::smtp {

namespace {

// Sixteen octets in one register: every 64-bit machine has these, and both compilers turn the
// operations into single instructions.
using Block [[gnu::vector_size(16)]] = signed char;
using Words [[gnu::vector_size(16)]] = std::uint64_t;

Block load(const char* from) noexcept {
  Block block;
  std::memcpy(&block, from, sizeof block);
  return block;
}

bool irregular(char octet, char previous) noexcept {
  return ((octet == '\n') != (previous == '\r')) || (previous == '\n' && octet == '.');
}

Block irregular(Block octets, Block previous) noexcept {
  return ((octets == '\n') ^ (previous == '\r')) | ((previous == '\n') & (octets == '.'));
}

bool any(Block mask) noexcept {
  Words words;
  std::memcpy(&words, &mask, sizeof words);
  return (words[0] | words[1]) != 0;
}

}  // namespace

std::size_t find_irregular(std::string_view octets, char previous) noexcept {
  const std::size_t size = octets.size();
  const char* const data = octets.data();
  if (size == 0) return 0;
  if (irregular(data[0], previous)) return 0;
  std::size_t at = 1;
  for (; at + 4 * sizeof(Block) <= size; at += 4 * sizeof(Block)) {
    const char* const p = data + at;
    const Block mask = irregular(load(p), load(p - 1)) | irregular(load(p + 16), load(p + 15)) |
                       irregular(load(p + 32), load(p + 31)) |
                       irregular(load(p + 48), load(p + 47));
    if (any(mask)) break;
  }
  while (at < size && !irregular(data[at], data[at - 1])) ++at;
  return at;
}

DataReader::Piece DataReader::next(std::string_view in) noexcept {
  if (state_ != State::text) return after_dot(in.front());
  const std::size_t run = find_irregular(in, previous_);
  if (run > 0) {
    previous_ = in[run - 1];
    return Piece{.consumed = run, .content = in.substr(0, run)};
  }
  const char c = in.front();
  if (c == '.' && previous_ == '\n') {
    state_ = State::dot;
    return Piece{.consumed = 1};
  }
  // A bare LF must not look like the start of a line: 'x' stands for "somewhere in a line".
  previous_ = c == '\n' ? 'x' : c;
  return Piece{.consumed = 1, .content = in.substr(0, 1), .bare_newline = true};
}

DataReader::Piece DataReader::after_dot(char c) noexcept {
  if (state_ == State::dot && c == '\r') {
    state_ = State::dot_cr;
    return Piece{.consumed = 1};
  }
  if (state_ == State::dot_cr && c == '\n') {
    start();
    return Piece{.consumed = 1, .end = true};
  }
  // Not the end. The dot was stuffed: it goes; what came behind it is content.
  const bool held_cr = state_ == State::dot_cr;
  state_ = State::text;
  previous_ = held_cr ? '\r' : '.';
  if (held_cr) return Piece{.consumed = 0, .content = "\r"};
  if (c == '\n') {
    previous_ = 'x';
    return Piece{.consumed = 1, .content = "\n", .bare_newline = true};
  }
  return Piece{.consumed = 0};
}

NewlineCheck::Piece NewlineCheck::next(std::string_view in) noexcept {
  std::size_t at = 0;
  while (at < in.size()) {
    at += find_irregular(in.substr(at), previous_at(in, at));
    if (at == in.size()) break;
    // A dot at the start of a line means nothing here.
    const bool dot = previous_at(in, at) == '\n' && in[at] == '.';
    if (!dot && at > 0) break;
    ++at;
    if (dot) continue;
    previous_ = in[0] == '\n' ? 'x' : in[0];
    return Piece{.content = in.substr(0, 1), .bare_newline = true};
  }
  previous_ = in[at - 1];
  return Piece{.content = in.substr(0, at)};
}

}  // namespace postern::smtp

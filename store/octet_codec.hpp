// Fixed-width big-endian numbers and length-prefixed strings in memory: the only encoding the
// store's keys and records use. Reading is bounded: a Reader never looks past its end, whatever it
// is given.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::store {

/// Writes `value` big-endian into `out[0 .. sizeof(T))`, so that numbers sort as octets do.
template <std::unsigned_integral T>
constexpr void write_be(char* out, T value) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * (sizeof(T) - 1 - i))));
  }
}

/// Reads a big-endian number from `in[0 .. sizeof(T))`.
template <std::unsigned_integral T>
constexpr T read_be(const char* in) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((value << 8) | static_cast<unsigned char>(in[i]));
  }
  return value;
}

/// Appends `value` big-endian.
template <std::unsigned_integral T>
void append_be(std::string& out, T value) {
  std::array<char, sizeof(T)> octets{};
  write_be(octets.data(), value);
  out.append(octets.data(), octets.size());
}

/// Appends a string behind its length as 32 bits. Longer than 4 GiB is a programmer error; callers
/// bound what they store far below.
inline void append_string(std::string& out, std::string_view text) {
  append_be(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

/// Takes values off the front of a record. After the first failure ok() is false for good and every
/// further value is zero or empty, so a decoder checks once, at its end.
class OctetReader {
 public:
  /// `octets` must outlive the reader and every view taken from it.
  explicit OctetReader(std::string_view octets) noexcept : rest_(octets) {}

  template <std::unsigned_integral T>
  T number() noexcept {
    if (rest_.size() < sizeof(T)) {
      fail();
      return 0;
    }
    const T value = read_be<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }

  /// A string written by append_string(). The view points into the record.
  std::string_view string() noexcept {
    const auto length = number<std::uint32_t>();
    if (rest_.size() < length) {
      fail();
      return {};
    }
    const std::string_view text = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return text;
  }

  bool ok() const noexcept { return ok_; }
  /// Everything was read and nothing was missing.
  bool done() const noexcept { return ok_ && rest_.empty(); }
  std::size_t remaining() const noexcept { return rest_.size(); }

 private:
  void fail() noexcept {
    ok_ = false;
    rest_ = {};
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace postern::store

#include "sidecars/imap/mailbox_name.hpp"

#include <array>
#include <cstdint>

#include "sidecars/imap/arguments.hpp"

namespace postern::imap {
namespace {

constexpr char32_t kReplacement = 0xfffd;
/// RFC 3501 5.1.3: base64 with "," for "/".
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Writes UTF-16 as modified base64.
class ShiftedWriter {
 public:
  explicit ShiftedWriter(std::string& out) : out_(out) { out_.push_back('&'); }
  void put(char32_t code_point) {
    if (code_point >= 0x10000) {
      code_point -= 0x10000;
      put_unit(0xd800 + (code_point >> 10));
      put_unit(0xdc00 + (code_point & 0x3ff));
    } else {
      put_unit(code_point);
    }
  }
  void close() {
    if (bit_count_ > 0) out_.push_back(kBase64[bits_ << (6 - bit_count_) & 0x3f]);
    out_.push_back('-');
  }

 private:
  void put_unit(char32_t unit) {
    bits_ = bits_ << 16 | (unit & 0xffff);
    bit_count_ += 16;
    while (bit_count_ >= 6) {
      bit_count_ -= 6;
      out_.push_back(kBase64[bits_ >> bit_count_ & 0x3f]);
    }
    bits_ &= (1u << bit_count_) - 1;
  }

  std::string& out_;
  std::uint32_t bits_ = 0;
  unsigned bit_count_ = 0;
};

bool is_plain(char32_t code_point) noexcept { return code_point >= 0x20 && code_point < 0x7f; }

bool is_control(char32_t code_point) noexcept {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

/// Decodes what stands between "&" and "-". false: malformed.
bool decode_shifted(std::string_view text, std::string& out) {
  std::uint32_t bits = 0;
  unsigned bit_count = 0;
  char32_t high = 0;
  for (const char octet : text) {
    const std::size_t value = kBase64.find(octet);
    if (value == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    bit_count += 6;
    if (bit_count < 16) continue;
    bit_count -= 16;
    char32_t unit = bits >> bit_count & 0xffff;
    bits &= (1u << bit_count) - 1;
    if (high != 0) {
      if (unit < 0xdc00 || unit > 0xdfff) return false;
      unit = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
      high = 0;
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
      high = unit;
      continue;
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
      return false;
    }
    if (is_control(unit)) return false;
    append_utf8(out, unit);
  }
  return high == 0 && bit_count < 6 && bits == 0;
}

}  // namespace

char32_t take_code_point(std::string_view& text) noexcept {
  const auto first = static_cast<unsigned char>(text.front());
  const auto bad = [&text] {
    text.remove_prefix(1);
    return kReplacement;
  };
  std::size_t length = 0;
  char32_t value = 0;
  char32_t least = 0;
  if (first < 0x80) {
    text.remove_prefix(1);
    return first;
  } else if (first >= 0xc2 && first <= 0xdf) {
    length = 2, value = first & 0x1f, least = 0x80;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3, value = first & 0x0f, least = 0x800;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4, value = first & 0x07, least = 0x10000;
  } else {
    return bad();
  }
  if (text.size() < length) return bad();
  for (std::size_t index = 1; index < length; ++index) {
    const auto next = static_cast<unsigned char>(text[index]);
    if ((next & 0xc0) != 0x80) return bad();
    value = value << 6 | (next & 0x3f);
  }
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return bad();
  text.remove_prefix(length);
  return value;
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&out](char32_t octet) { out.push_back(static_cast<char>(octet)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | code_point >> 6);
    put(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    put(0xe0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  } else {
    put(0xf0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3f));
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  }
}

std::string to_wire_name(std::string_view utf8) {
  std::string wire;
  wire.reserve(utf8.size());
  while (!utf8.empty()) {
    const unsigned char first = static_cast<unsigned char>(utf8.front());
    if (is_plain(first)) {
      wire.push_back(utf8.front());
      if (first == '&') wire.push_back('-');
      utf8.remove_prefix(1);
      continue;
    }
    ShiftedWriter shifted(wire);
    while (!utf8.empty() && !is_plain(static_cast<unsigned char>(utf8.front()))) {
      shifted.put(take_code_point(utf8));
    }
    shifted.close();
  }
  return wire;
}

std::optional<std::string> from_wire_name(std::string_view wire) {
  std::string utf8;
  utf8.reserve(wire.size());
  while (!wire.empty()) {
    const auto first = static_cast<unsigned char>(wire.front());
    if (first == '&') {
      const std::size_t end = wire.find('-', 1);
      if (end == std::string_view::npos) return std::nullopt;
      const std::string_view shifted = wire.substr(1, end - 1);
      if (shifted.empty()) {
        utf8.push_back('&');
      } else if (!decode_shifted(shifted, utf8)) {
        return std::nullopt;
      }
      wire.remove_prefix(end + 1);
      continue;
    }
    const char32_t code_point = take_code_point(wire);
    if (is_control(code_point) || (first >= 0x80 && code_point == kReplacement)) {
      return std::nullopt;
    }
    append_utf8(utf8, code_point);
  }
  return utf8;
}

char32_t fold_code_point(char32_t code_point) noexcept {
  if (code_point >= 'A' && code_point <= 'Z') return code_point + 0x20;
  if (code_point < 0xc0) return code_point;
  if (code_point <= 0xde && code_point != 0xd7) return code_point + 0x20;
  if (code_point >= 0x391 && code_point <= 0x3a9 && code_point != 0x3a2) return code_point + 0x20;
  if (code_point >= 0x410 && code_point <= 0x42f) return code_point + 0x20;
  if (code_point >= 0x400 && code_point <= 0x40f) return code_point + 0x50;
  return code_point;
}

std::string fold_name(std::string_view utf8) {
  std::string folded;
  folded.reserve(utf8.size());
  while (!utf8.empty()) append_utf8(folded, fold_code_point(take_code_point(utf8)));
  return folded;
}

bool is_inbox(std::string_view utf8) noexcept { return equals_ignoring_case(utf8, "INBOX"); }

const store::Folder* find_folder(const std::vector<store::Folder>& folders, std::string_view utf8) {
  const std::string wanted = fold_name(utf8);
  for (const store::Folder& folder : folders) {
    if (fold_name(folder.name) == wanted) return &folder;
  }
  return nullptr;
}

}  // namespace postern::imap

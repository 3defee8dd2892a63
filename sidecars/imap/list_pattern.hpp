// The patterns of LIST and LSUB: "*" matches anything, "%" anything but the hierarchy delimiter.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::imap {

/// A compiled pattern. Matching is case-insensitive and costs at most name length times pattern
/// length.
class ListPattern {
 public:
  /// `wire` in modified UTF-7. A wildcard that is written as a shift sequence ("&ACU-") stands for
  /// itself (IMAP-15). nullopt when the pattern is not valid modified UTF-7.
  static std::optional<ListPattern> compile(std::string_view wire);

  /// Whether a name (UTF-8) matches as a whole.
  bool matches(std::string_view utf8) const;
  bool has_percent() const noexcept { return has_percent_; }

 private:
  // Code points, folded; the two wildcards are values no code point has.
  static constexpr char32_t kStar = 0x110000;
  static constexpr char32_t kPercent = 0x110001;

  std::u32string tokens_;
  bool has_percent_ = false;
};

}  // namespace postern::imap

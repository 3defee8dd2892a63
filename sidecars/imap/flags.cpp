#include "sidecars/imap/flags.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "sidecars/imap/limits.hpp"

namespace postern::imap {
namespace {

constexpr std::array<std::string_view, 5> kSystemNames = {"\\Seen", "\\Answered", "\\Flagged",
                                                          "\\Deleted", "\\Draft"};
constexpr std::string_view kMdnSent = "$MDNSent";

/// All 32 sets of system flags as text: a FETCH of FLAGS is one append and not five tests a
/// message.
const std::array<std::string, 32>& system_texts() {
  static const std::array<std::string, 32> texts = [] {
    std::array<std::string, 32> all;
    for (std::size_t set = 0; set < all.size(); ++set) {
      for (std::size_t bit = 0; bit < kSystemNames.size(); ++bit) {
        if ((set >> bit & 1) == 0) continue;
        if (!all[set].empty()) all[set].push_back(' ');
        all[set].append(kSystemNames[bit]);
      }
    }
    return all;
  }();
  return texts;
}

void append_all_flags(std::string& out, const std::vector<std::string>& keywords) {
  out.append(system_texts()[kSystemFlagsAll]);
  if (keyword_bit(kMdnSent, keywords) == 0) out.append(" ").append(kMdnSent);
  for (const std::string& keyword : keywords) out.append(" ").append(keyword);
}

}  // namespace

void append_flags(std::string& out, const store::FlagSet& flags,
                  const std::vector<std::string>& keywords) {
  out.push_back('(');
  const std::string& system = system_texts()[flags.system & kSystemFlagsAll];
  out.append(system);
  bool space = !system.empty();
  for (std::uint64_t bits = flags.keywords; bits != 0; bits &= bits - 1) {
    const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
    if (bit >= keywords.size()) break;
    if (space) out.push_back(' ');
    out.append(keywords[bit]);
    space = true;
  }
  out.push_back(')');
}

void append_flag_responses(std::string& out, const std::vector<std::string>& keywords,
                           bool client_keywords, bool read_only) {
  out.append("* FLAGS (");
  append_all_flags(out, keywords);
  out.append(")\r\n* OK [PERMANENTFLAGS (");
  if (!read_only) {
    append_all_flags(out, keywords);
    if (client_keywords) out.append(" \\*");
  }
  out.append(read_only ? ")] No flag can be changed\r\n" : ")] Flags that are kept\r\n");
}

std::optional<std::uint16_t> system_flag(std::string_view name) noexcept {
  for (std::size_t bit = 0; bit < kSystemNames.size(); ++bit) {
    if (equals_ignoring_case(name, kSystemNames[bit])) return static_cast<std::uint16_t>(1 << bit);
  }
  return std::nullopt;
}

std::uint64_t keyword_bit(std::string_view name,
                          const std::vector<std::string>& keywords) noexcept {
  const std::size_t known = std::min(keywords.size(), store::kKeywordsPerMailboxMax);
  for (std::size_t bit = 0; bit < known; ++bit) {
    if (equals_ignoring_case(name, keywords[bit])) return std::uint64_t{1} << bit;
  }
  return 0;
}

Result<FlagList> parse_flag_list(Arguments& arguments) {
  const auto malformed = [](std::string text) {
    return fail(ErrorCode::invalid_argument, std::move(text));
  };
  FlagList list;
  const bool parenthesised = arguments.take('(');
  if (parenthesised && arguments.take(')')) return list;
  for (std::size_t count = 1;; ++count) {
    if (count > kStoreFlagsMax) return malformed("There are too many flags");
    const auto name = arguments.atom();
    if (!name) return malformed("A flag was expected");
    if (name->starts_with('\\')) {
      const auto flag = system_flag(*name);
      if (!flag) return malformed("The system flag is unknown or cannot be stored");
      list.system |= *flag;
    } else {
      // Sent back as an atom: what a strict client could not read is refused.
      const auto is_plain = [](char octet) {
        return static_cast<unsigned char>(octet) < 0x80 && octet != '\\' && octet != ']';
      };
      if (name->size() > kKeywordOctetsMax || !std::ranges::all_of(*name, is_plain)) {
        return malformed("A keyword is too long or has characters that an atom cannot have");
      }
      if (keyword_bit(*name, list.keywords) == 0) list.keywords.emplace_back(*name);
    }
    if (parenthesised && arguments.take(')')) return list;
    if (!parenthesised && arguments.at_end()) return list;
    if (auto space = arguments.space(); !space) return std::unexpected(space.error());
  }
}

store::FlagSet apply(const store::FlagSet& flags, const store::StoreFlags& change,
                     const std::vector<std::string>& keywords) {
  std::uint64_t bits = 0;
  for (const std::string& keyword : change.keywords) bits |= keyword_bit(keyword, keywords);
  store::FlagSet result = flags;
  switch (change.mode) {
    case store::StoreFlags::Mode::add:
      result.system |= change.system_flags;
      result.keywords |= bits;
      break;
    case store::StoreFlags::Mode::remove:
      result.system &= static_cast<std::uint16_t>(~change.system_flags);
      result.keywords &= ~bits;
      break;
    case store::StoreFlags::Mode::replace:
      result.system = change.system_flags;
      result.keywords = bits;
      break;
  }
  return result;
}

}  // namespace postern::imap

#include "sidecars/imap/search_keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "sidecars/imap/flags.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/response.hpp"

namespace postern::imap {
namespace {

using Kind = SearchKey::Kind;

std::unexpected<Error> malformed(const char* text) {
  return fail(ErrorCode::invalid_argument, text);
}

/// What stands behind a key's name.
enum class Operand : std::uint8_t {
  nothing,
  date,
  number,
  text,
  field_and_text,
  keyword,
  uids,
  key,
  two_keys
};

struct KeyName {
  std::string_view name;
  Kind kind;
  Operand operand = Operand::nothing;
  bool negated = false;
  std::uint16_t flags = 0;
  std::string_view field = {};
};

constexpr std::uint16_t bit(store::Flag flag) { return static_cast<std::uint16_t>(flag); }

constexpr std::array kNames = std::to_array<KeyName>({
    {"ALL", Kind::all},
    {"ANSWERED", Kind::flag, Operand::nothing, false, bit(store::Flag::answered)},
    {"BCC", Kind::header, Operand::text, false, 0, "bcc"},
    {"BEFORE", Kind::before, Operand::date},
    {"BODY", Kind::body, Operand::text},
    {"CC", Kind::header, Operand::text, false, 0, "cc"},
    {"DELETED", Kind::flag, Operand::nothing, false, bit(store::Flag::deleted)},
    {"DRAFT", Kind::flag, Operand::nothing, false, bit(store::Flag::draft)},
    {"FLAGGED", Kind::flag, Operand::nothing, false, bit(store::Flag::flagged)},
    {"FROM", Kind::header, Operand::text, false, 0, "from"},
    {"HEADER", Kind::header, Operand::field_and_text},
    {"KEYWORD", Kind::keyword, Operand::keyword},
    {"LARGER", Kind::larger, Operand::number},
    {"NEW", Kind::none},
    {"NOT", Kind::negation, Operand::key},
    {"OLD", Kind::all},
    {"ON", Kind::on, Operand::date},
    {"OR", Kind::either, Operand::two_keys},
    {"RECENT", Kind::none},
    {"SEEN", Kind::flag, Operand::nothing, false, bit(store::Flag::seen)},
    {"SENTBEFORE", Kind::sent_before, Operand::date},
    {"SENTON", Kind::sent_on, Operand::date},
    {"SENTSINCE", Kind::sent_since, Operand::date},
    {"SINCE", Kind::since, Operand::date},
    {"SMALLER", Kind::smaller, Operand::number},
    {"SUBJECT", Kind::header, Operand::text, false, 0, "subject"},
    {"TEXT", Kind::text, Operand::text},
    {"TO", Kind::header, Operand::text, false, 0, "to"},
    {"UID", Kind::messages, Operand::uids},
    {"UNANSWERED", Kind::flag, Operand::nothing, true, bit(store::Flag::answered)},
    {"UNDELETED", Kind::flag, Operand::nothing, true, bit(store::Flag::deleted)},
    {"UNDRAFT", Kind::flag, Operand::nothing, true, bit(store::Flag::draft)},
    {"UNFLAGGED", Kind::flag, Operand::nothing, true, bit(store::Flag::flagged)},
    {"UNKEYWORD", Kind::keyword, Operand::keyword, true},
    {"UNSEEN", Kind::flag, Operand::nothing, true, bit(store::Flag::seen)},
});
static_assert(std::ranges::is_sorted(kNames, {}, &KeyName::name));

/// Digits only, all of `text`.
std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// date: "1-Feb-1994", quoted or not; as days since 1970.
Result<std::int64_t> parse_date(Arguments& arguments) {
  const auto text = arguments.astring();
  if (!text) return std::unexpected(text.error());
  const std::size_t first = text->find('-');
  const std::size_t second = text->find('-', first + 1);
  if (first == std::string::npos || second == std::string::npos) {
    return malformed("A date is not valid");
  }
  const std::string_view all = *text;
  const auto day = digits(all.substr(0, first));
  const auto year = digits(all.substr(second + 1));
  const std::string_view month = all.substr(first + 1, second - first - 1);
  for (unsigned index = 0; index < 12; ++index) {
    if (!equals_ignoring_case(month, kMonthNames[index])) continue;
    if (!day || *day < 1 || *day > 31 || !year || *year > 9999) break;
    return days_from_civil(*year, index + 1, static_cast<unsigned>(*day));
  }
  return malformed("A date is not valid");
}

/// Recursive descent, as deep as kSearchDepthMax.
class Parser {
 public:
  Parser(Arguments& arguments, const store::MailboxSnapshot& snapshot, bool exchange,
         SearchProgram& program)
      : arguments_(arguments), snapshot_(snapshot), exchange_(exchange), program_(program) {}

  /// One or more keys up to `end` (NUL: the end of the command), all of which must match.
  Result<SearchKey> keys(char end, std::size_t depth) {
    SearchKey all{.kind = Kind::both};
    while (true) {
      auto one = key(depth);
      if (!one) return one;
      all.children.push_back(std::move(*one));
      if (end == '\0' ? arguments_.at_end() : arguments_.take(end)) break;
      if (auto space = arguments_.space(); !space) return std::unexpected(space.error());
      if (end == '\0' && arguments_.at_end()) break;  // a blank at the end of the line
    }
    if (all.children.size() == 1) return std::move(all.children.front());
    return all;
  }

 private:
  Result<SearchKey> key(std::size_t depth) {
    if (depth > kSearchDepthMax) return malformed("The search keys are nested too deeply");
    if (++program_.keys > kSearchKeysMax) return malformed("There are too many search keys");
    if (arguments_.take('(')) return keys(')', depth + 1);
    const char next = arguments_.peek();
    if ((next >= '0' && next <= '9') || next == '*') return message_set(false);
    const auto name = arguments_.atom();
    if (!name) return malformed("A search key was expected");
    const std::string wanted = upper(*name);
    const auto found = std::ranges::lower_bound(kNames, wanted, {}, &KeyName::name);
    if (found == kNames.end() || found->name != wanted) {
      return malformed("A search key is unknown");
    }
    auto result = operand(*found, depth);
    if (!result || !found->negated) return result;
    SearchKey negation{.kind = Kind::negation};
    negation.children.push_back(std::move(*result));
    return negation;
  }

  Result<SearchKey> operand(const KeyName& name, std::size_t depth) {
    SearchKey key{.kind = name.kind, .flags = name.flags, .text = std::string(name.field)};
    if (name.operand == Operand::nothing) return key;
    if (auto space = arguments_.space(); !space) return std::unexpected(space.error());
    switch (name.operand) {
      case Operand::nothing:
        break;
      case Operand::date: {
        const auto date = parse_date(arguments_);
        if (!date) return std::unexpected(date.error());
        key.number = *date;
        break;
      }
      case Operand::number: {
        const auto number = arguments_.number64();
        if (!number) return std::unexpected(number.error());
        key.number = static_cast<std::int64_t>(*number);
        break;
      }
      case Operand::field_and_text: {
        auto field = arguments_.astring();
        if (!field) return std::unexpected(field.error());
        key.text = std::move(*field);
        if (auto space = arguments_.space(); !space) return std::unexpected(space.error());
        return needle(std::move(key));
      }
      case Operand::text:
        return needle(std::move(key));
      case Operand::keyword:
        return keyword(std::move(key));
      case Operand::uids:
        return message_set(true);
      case Operand::key:
      case Operand::two_keys:
        return children(std::move(key), name.operand, depth);
    }
    return key;
  }

  Result<SearchKey> children(SearchKey key, Operand operand, std::size_t depth) {
    auto first = this->key(depth + 1);
    if (!first) return first;
    key.children.push_back(std::move(*first));
    if (operand == Operand::two_keys) {
      if (auto space = arguments_.space(); !space) return std::unexpected(space.error());
      auto second = this->key(depth + 1);
      if (!second) return second;
      key.children.push_back(std::move(*second));
    }
    return key;
  }

  Result<SearchKey> needle(SearchKey key) {
    const auto text = arguments_.astring();
    if (!text) return std::unexpected(text.error());
    if (text->size() > kSearchTextOctetsMax) return malformed("A search text is too long");
    if (program_.needles.size() == kSearchTextsMax) return malformed("There are too many texts");
    key.needle = static_cast<std::uint32_t>(program_.needles.size());
    program_.needles.emplace_back(*text);
    program_.needs_body |= key.kind == Kind::body || key.kind == Kind::text;
    return key;
  }

  Result<SearchKey> keyword(SearchKey key) {
    const auto name = arguments_.atom();
    if (!name) return std::unexpected(name.error());
    key.text = *name;
    // IMAP-34: no message has another keyword there.
    if (exchange_ && !equals_ignoring_case(*name, "$MDNSent")) key.kind = Kind::none;
    return key;
  }

  Result<SearchKey> message_set(bool by_uid) {
    const auto set = parse_sequence_set(arguments_);
    if (!set) return std::unexpected(set.error());
    auto indices = by_uid ? Result<IndexSet>(resolve_uids(*set, snapshot_))
                          : resolve_sequences(*set, snapshot_);
    if (!indices) return std::unexpected(indices.error());
    SearchKey key{.kind = Kind::messages};
    key.set = std::move(*indices);
    return key;
  }

  Arguments& arguments_;
  const store::MailboxSnapshot& snapshot_;
  const bool exchange_;
  SearchProgram& program_;
};

}  // namespace

Result<SearchProgram> parse_search_program(Arguments& arguments,
                                           const store::MailboxSnapshot& snapshot, bool exchange) {
  SearchProgram program;
  if (arguments.take_word("CHARSET ")) {
    const auto charset = arguments.astring();
    if (!charset) return std::unexpected(charset.error());
    const bool known = equals_ignoring_case(*charset, "US-ASCII") ||
                       (!exchange && equals_ignoring_case(*charset, "UTF-8"));
    if (!known) {
      program.charset_known = false;
      return program;
    }
    if (auto space = arguments.space(); !space) return std::unexpected(space.error());
  }
  auto root = Parser(arguments, snapshot, exchange, program).keys('\0', 1);
  if (!root) return std::unexpected(root.error());
  program.root = std::move(*root);
  return program;
}

}  // namespace postern::imap

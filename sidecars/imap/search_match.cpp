#include "sidecars/imap/search_match.hpp"

#include <algorithm>
#include <charconv>

#include "sidecars/imap/flags.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/response.hpp"
#include "store/mime_header.hpp"

namespace postern::imap {
namespace {

using Kind = SearchKey::Kind;

Verdict verdict(bool matches) noexcept { return matches ? Verdict::yes : Verdict::no; }

std::int64_t received_day(const store::MessageEntry& entry) noexcept {
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t ms = entry.internal_date_ms;
  return ms / kDayMs - (ms % kDayMs < 0 ? 1 : 0);
}

class Matcher {
 public:
  Matcher(const SearchProgram& program, const SearchSubject& subject)
      : program_(program), subject_(subject) {}

  Verdict match(const SearchKey& key) const {
    const store::MessageEntry& entry = *subject_.entry;
    switch (key.kind) {
      case Kind::all:
        return Verdict::yes;
      case Kind::none:
        return Verdict::no;
      case Kind::flag:
        return verdict((entry.flags.system & key.flags) != 0);
      case Kind::keyword:
        return verdict((entry.flags.keywords & keyword_bit(key.text, *subject_.keywords)) != 0);
      case Kind::messages:
        return verdict(contains(key.set));
      case Kind::larger:
        return verdict(entry.size_octets > static_cast<std::uint64_t>(key.number));
      case Kind::smaller:
        return verdict(entry.size_octets < static_cast<std::uint64_t>(key.number));
      case Kind::before:
        return verdict(received_day(entry) < key.number);
      case Kind::on:
        return verdict(received_day(entry) == key.number);
      case Kind::since:
        return verdict(received_day(entry) >= key.number);
      case Kind::sent_before:
      case Kind::sent_on:
      case Kind::sent_since:
        return sent(key);
      case Kind::header:
        return header(key);
      case Kind::text:
      case Kind::body:
        return text(key);
      case Kind::negation: {
        const Verdict inner = match(key.children.front());
        return inner == Verdict::unknown ? inner : verdict(inner == Verdict::no);
      }
      case Kind::both:
        return combine(key, Verdict::no, Verdict::yes);
      case Kind::either:
        return combine(key, Verdict::yes, Verdict::no);
    }
    return Verdict::no;
  }

 private:
  bool contains(const IndexSet& set) const {
    const auto after = std::ranges::upper_bound(set, subject_.index, {}, &IndexRange::first);
    return after != set.begin() && subject_.index <= std::prev(after)->last;
  }

  Verdict sent(const SearchKey& key) const {
    if (subject_.header == nullptr) return Verdict::unknown;
    const auto day = subject_.header->sent_day;
    if (!day) return Verdict::no;
    if (key.kind == Kind::sent_before) return verdict(*day < key.number);
    return verdict(key.kind == Kind::sent_on ? *day == key.number : *day >= key.number);
  }

  Verdict header(const SearchKey& key) const {
    if (subject_.header == nullptr) return Verdict::unknown;
    const Needle& needle = program_.needles[key.needle];
    return verdict(std::ranges::any_of(subject_.header->fields, [&](const auto& field) {
      return store::same_field_name(field.first, key.text) && needle.find(field.second);
    }));
  }

  Verdict text(const SearchKey& key) const {
    const Needle& needle = program_.needles[key.needle];
    if (needle.empty()) return Verdict::yes;
    if (key.kind == Kind::text) {
      if (subject_.header == nullptr) return Verdict::unknown;
      const auto in_field = [&](const auto& field) {
        return needle.find(fold_header_text(field.first)) || needle.find(field.second);
      };
      if (std::ranges::any_of(subject_.header->fields, in_field)) return Verdict::yes;
    }
    if (subject_.found_in_body == nullptr) return Verdict::unknown;
    return verdict((*subject_.found_in_body)[key.needle]);
  }

  /// A child that is `deciding` decides; unknown children leave it unknown; else it is `otherwise`.
  Verdict combine(const SearchKey& key, Verdict deciding, Verdict otherwise) const {
    Verdict result = otherwise;
    for (const SearchKey& child : key.children) {
      const Verdict one = match(child);
      if (one == deciding) return deciding;
      if (one == Verdict::unknown) result = Verdict::unknown;
    }
    return result;
  }

  const SearchProgram& program_;
  const SearchSubject& subject_;
};

/// Takes the next run of letters or of digits from `text`, skipping what stands before it.
std::string_view take_run(std::string_view& text) {
  const auto is_digit = [](char octet) { return octet >= '0' && octet <= '9'; };
  const auto is_letter = [](char octet) {
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z');
  };
  while (!text.empty() && !is_digit(text.front()) && !is_letter(text.front()))
    text.remove_prefix(1);
  const bool number = !text.empty() && is_digit(text.front());
  std::size_t length = 0;
  while (length < text.size() && (number ? is_digit(text[length]) : is_letter(text[length]))) {
    ++length;
  }
  const std::string_view run = text.substr(0, length);
  text.remove_prefix(length);
  return run;
}

}  // namespace

std::optional<std::int64_t> parse_sent_day(std::string_view date) {
  // RFC 5322 3.3: [day-name ","] day month year. Two-digit years as in its section 4.3.
  std::string_view run = take_run(date);
  if (!run.empty() && (run.front() < '0' || run.front() > '9')) run = take_run(date);
  unsigned day = 0;
  if (run.size() > 2 || run.empty()) return std::nullopt;
  if (std::from_chars(run.data(), run.data() + run.size(), day).ec != std::errc{}) {
    return std::nullopt;
  }
  const std::string_view month = take_run(date).substr(0, 3);
  const std::string_view year_text = take_run(date);
  int year = 0;
  if (year_text.size() < 2 || year_text.size() > 4 ||
      std::from_chars(year_text.data(), year_text.data() + year_text.size(), year).ec !=
          std::errc{}) {
    return std::nullopt;
  }
  if (year_text.size() == 2) year += year < 50 ? 2000 : 1900;
  if (year_text.size() == 3) year += 1900;
  for (unsigned index = 0; index < 12; ++index) {
    if (equals_ignoring_case(month, kMonthNames[index]) && day >= 1 && day <= 31) {
      return days_from_civil(year, index + 1, day);
    }
  }
  return std::nullopt;
}

SearchHeader read_search_header(std::string_view header) {
  SearchHeader result;
  while (const auto field = store::take_field(header)) {
    if (field->name.empty()) continue;
    if (result.fields.size() == kSearchFieldsMax) break;
    const std::string value = store::unfold(field->value);
    if (!result.sent_day && store::same_field_name(field->name, "date")) {
      result.sent_day = parse_sent_day(value);
    }
    result.fields.emplace_back(field->name, fold_header_text(value));
  }
  return result;
}

Verdict match(const SearchProgram& program, const SearchSubject& subject) {
  return Matcher(program, subject).match(program.root);
}

}  // namespace postern::imap

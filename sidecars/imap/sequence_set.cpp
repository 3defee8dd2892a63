#include "sidecars/imap/sequence_set.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "sidecars/imap/limits.hpp"

namespace postern::imap {
namespace {

/// Takes "*" or a nz-number from the front of `text`; false if there is none.
bool take_number(std::string_view& text, std::uint32_t& value) {
  if (text.starts_with('*')) {
    text.remove_prefix(1);
    value = 0;
    return true;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value == 0) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

void sort_and_merge(IndexSet& set) {
  const auto by_first = [](const IndexRange& left, const IndexRange& right) {
    return left.first < right.first;
  };
  if (!std::ranges::is_sorted(set, by_first)) std::ranges::sort(set, by_first);
  std::size_t kept = 0;
  for (const IndexRange range : set) {
    if (kept > 0 && range.first <= set[kept - 1].last + 1) {
      set[kept - 1].last = std::max(set[kept - 1].last, range.last);
    } else {
      set[kept++] = range;
    }
  }
  set.resize(kept);
}

}  // namespace

Result<SequenceSet> parse_sequence_set(Arguments& arguments) {
  std::string_view text = arguments.sequence_octets();
  SequenceSet set;
  const auto malformed = [] {
    return fail(ErrorCode::invalid_argument, "The message set is not valid");
  };
  while (true) {
    SequenceSet::Range range;
    if (!take_number(text, range.first)) return malformed();
    range.last = range.first;
    if (text.starts_with(':')) {
      text.remove_prefix(1);
      if (!take_number(text, range.last)) return malformed();
    }
    if (set.ranges.size() == kSequenceRangesMax) {
      return fail(ErrorCode::invalid_argument, "The message set has too many ranges");
    }
    set.ranges.push_back(range);
    if (text.empty()) return set;
    if (!text.starts_with(',')) return malformed();
    text.remove_prefix(1);
  }
}

Result<IndexSet> resolve_sequences(const SequenceSet& set, const store::MailboxSnapshot& snapshot) {
  IndexSet found;
  found.reserve(set.ranges.size());
  const std::size_t size = snapshot.size();
  for (const auto& range : set.ranges) {
    if (size == 0 && (range.first == 0 || range.last == 0)) continue;
    std::size_t first = range.first == 0 ? size : range.first;
    std::size_t last = range.last == 0 ? size : range.last;
    if (first > last) std::swap(first, last);
    if (last > size) {
      return fail(ErrorCode::invalid_argument, "A message number is above the number of messages");
    }
    found.push_back({first - 1, last - 1});
  }
  sort_and_merge(found);
  return found;
}

IndexSet resolve_uids(const SequenceSet& set, const store::MailboxSnapshot& snapshot) {
  IndexSet found;
  if (snapshot.empty()) return found;
  found.reserve(set.ranges.size());
  const store::Uid highest = snapshot[snapshot.size() - 1].uid;
  for (const auto& range : set.ranges) {
    store::Uid first = range.first == 0 ? highest : range.first;
    store::Uid last = range.last == 0 ? highest : range.last;
    if (first > last) std::swap(first, last);
    const std::size_t from = snapshot.lower_bound(first);
    const std::size_t to = last == UINT32_MAX ? snapshot.size() : snapshot.lower_bound(last + 1);
    if (from < to) found.push_back({from, to - 1});
  }
  sort_and_merge(found);
  return found;
}

std::vector<store::UidRange> uid_ranges(const IndexSet& set,
                                        const store::MailboxSnapshot& snapshot) {
  std::vector<store::UidRange> ranges;
  ranges.reserve(set.size());
  for (const IndexRange range : set) {
    // UIDs between two neighbours of a snapshot belong to no message, now or later: ranges of
    // indices are ranges of UIDs.
    ranges.push_back({snapshot[range.first].uid, snapshot[range.last].uid});
  }
  return ranges;
}

std::size_t count(const IndexSet& set) noexcept {
  std::size_t sum = 0;
  for (const IndexRange range : set) sum += range.last - range.first + 1;
  return sum;
}

}  // namespace postern::imap

#include "runtime/cidr_set.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace postern {

namespace {

// Sorts and joins what overlaps, so that the last range that begins at or before an address is the
// only one that can hold it.
void normalise(std::vector<CidrRange>& ranges) {
  std::ranges::sort(ranges, {}, &CidrRange::first);
  std::vector<CidrRange> joined;
  for (const CidrRange& range : ranges) {
    if (joined.empty() || joined.back().last < range.first) {
      joined.push_back(range);
    } else {
      joined.back().last = std::max(joined.back().last, range.last);
    }
  }
  ranges = std::move(joined);
}

}  // namespace

Result<CidrRange> CidrRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto address = IpAddress::parse(host);
  if (!address) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is neither an address nor a network", text));
  }
  const bool mapped = address->is_ipv4() && host.find(':') != host.npos;
  const std::uint32_t bits_max = address->is_ipv4() && !mapped ? 32 : 128;
  std::uint32_t bits = bits_max;
  if (slash != text.npos) {
    const std::string_view digits = text.substr(slash + 1);
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, bits);
    if (digits.empty() || error != std::errc{} || stop != end || bits > bits_max) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("'{}' has no prefix length from 0 to {}", text, bits_max));
    }
  }
  if (mapped) {
    // A shorter prefix would hold IPv6 and IPv4: the two are told apart everywhere else.
    if (bits < 96) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("'{}' begins as IPv4 and reaches beyond it", text));
    }
    bits -= 96;
  }
  const CidrRange range{address->network(bits), address->broadcast(bits)};
  if (range.first != *address) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' has bits behind its prefix: the network is {}/{}", text,
                            range.first.text(), bits));
  }
  return range;
}

Result<CidrSet> CidrSet::make(const std::vector<std::string>& texts) {
  CidrSet set;
  for (const std::string& text : texts) {
    const auto range = CidrRange::parse(text);
    if (!range) return std::unexpected(range.error());
    (range->first.is_ipv4() ? set.ipv4_ : set.ipv6_).push_back(*range);
  }
  normalise(set.ipv4_);
  normalise(set.ipv6_);
  return set;
}

bool CidrSet::contains(const IpAddress& address) const noexcept {
  // ::/0 as a range spans the mapped block too; asking the other list keeps IPv4 out of it.
  const std::vector<CidrRange>& ranges = address.is_ipv4() ? ipv4_ : ipv6_;
  const auto after = std::ranges::upper_bound(ranges, address, {}, &CidrRange::first);
  return after != ranges.begin() && address <= std::prev(after)->last;
}

}  // namespace postern

#include "runtime/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace postern {

namespace {

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
// Section 2.1: the longest line of version 1, CRLF included.
constexpr std::size_t kLineOctetsMax = 107;
// Section 2.2: signature, version and command, family and transport, length.
constexpr std::size_t kFixedOctets = 16;
// Section 2.2: a TLV's type and length.
constexpr std::size_t kTlvHeadOctets = 3;
constexpr std::uint8_t kTlvCrc32c = 0x03;
constexpr std::size_t kCrcOctets = 4;

constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t index = 0; index < table.size(); ++index) {
    std::uint32_t value = index;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78U : 0);
    table[index] = value;
  }
  return table;
}();

ProxyParse malformed(const char* why) {
  ProxyParse result;
  result.state = ProxyParse::State::malformed;
  result.error = why;
  return result;
}

std::uint8_t octet_at(std::string_view octets, std::size_t index) {
  return static_cast<std::uint8_t>(octets[index]);
}

std::uint16_t number_at(std::string_view octets, std::size_t index) {
  return static_cast<std::uint16_t>((octet_at(octets, index) << 8) | octet_at(octets, index + 1));
}

// --- version 1
// -----------------------------------------------------------------------------------

/// Takes the field in front of the next space (or the end) off `line`.
std::string_view take_field(std::string_view& line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view field = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return field;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  const bool leading_zero = text.size() > 1 && text.front() == '0';
  if (text.empty() || leading_zero || error != std::errc{} || stop != end) return std::nullopt;
  return port;
}

ProxyParse parse_line(std::string_view line, std::size_t size_octets) {
  ProxyParse result;
  result.state = ProxyParse::State::complete;
  result.size_octets = size_octets;
  line.remove_prefix(kSignature1.size());
  const std::string_view family = take_field(line);
  if (family == "UNKNOWN") return result;  // whatever follows on the line is ignored
  if (family != "TCP4" && family != "TCP6") return malformed("unknown family");
  // Exactly four fields: one too few leaves an empty one, one too many is left over.
  if (std::ranges::count(line, ' ') != 3) return malformed("not four fields");
  const std::string_view source_text = take_field(line);
  const std::string_view destination_text = take_field(line);
  const auto source_port = parse_port(take_field(line));
  const auto destination_port = parse_port(take_field(line));
  const bool ipv6 = family == "TCP6";
  const auto has_family = [ipv6](std::string_view text) {
    return (text.find(':') != text.npos) == ipv6;
  };
  const auto source = IpAddress::parse(source_text);
  const auto destination = IpAddress::parse(destination_text);
  if (!source || !destination || !has_family(source_text) || !has_family(destination_text)) {
    return malformed("not an address of the family");
  }
  if (!source_port || !destination_port) return malformed("not a port");
  result.header = {false, *source, *destination, *source_port, *destination_port};
  return result;
}

ProxyParse parse_version_1(std::string_view octets) {
  const std::string_view window = octets.substr(0, kLineOctetsMax);
  const std::size_t end = window.find('\r');
  if (end == window.npos || end + 1 == window.size()) {
    return window.size() < kLineOctetsMax ? ProxyParse{} : malformed("line too long");
  }
  if (window[end + 1] != '\n') return malformed("CR without LF");
  return parse_line(window.substr(0, end), end + 2);
}

// --- version 2
// -----------------------------------------------------------------------------------

IpAddress ipv4_at(std::string_view octets, std::size_t index) {
  return IpAddress::from_ipv4({octet_at(octets, index), octet_at(octets, index + 1),
                               octet_at(octets, index + 2), octet_at(octets, index + 3)});
}

IpAddress ipv6_at(std::string_view octets, std::size_t index) {
  IpAddress::Octets copy{};
  for (std::size_t i = 0; i < copy.size(); ++i) copy[i] = octet_at(octets, index + i);
  return IpAddress(copy);
}

/// The header's CRC-32C with the octets of the checksum itself as zeros.
bool checksum_holds(std::string_view header, std::size_t checksum_at) {
  constexpr std::string_view kZeros("\0\0\0\0", kCrcOctets);
  std::uint32_t sum = crc32c(header.substr(0, checksum_at));
  sum = crc32c(kZeros, sum);
  sum = crc32c(header.substr(checksum_at + kCrcOctets), sum);
  const std::uint32_t given =
      (std::uint32_t{number_at(header, checksum_at)} << 16) | number_at(header, checksum_at + 2);
  return sum == given;
}

/// Walks over the TLVs from `at` to the header's end; null, or what is wrong.
const char* check_tlvs(std::string_view header, std::size_t at) {
  while (at < header.size()) {
    if (header.size() - at < kTlvHeadOctets) return "TLV cut off";
    const std::uint8_t type = octet_at(header, at);
    const std::size_t length = number_at(header, at + 1);
    at += kTlvHeadOctets;
    if (length > header.size() - at) return "TLV cut off";
    if (type == kTlvCrc32c && (length != kCrcOctets || !checksum_holds(header, at))) {
      return "checksum does not match";
    }
    at += length;
  }
  return nullptr;
}

ProxyParse parse_version_2(std::string_view octets) {
  if (octets.size() > 12 && (octet_at(octets, 12) & 0xf0) != 0x20) {
    return malformed("unknown version");
  }
  if (octets.size() < kFixedOctets) return {};
  const std::uint8_t command = octet_at(octets, 12) & 0x0f;
  const std::uint8_t family = octet_at(octets, 13);
  const std::size_t total = kFixedOctets + number_at(octets, 14);
  if (command > 1) return malformed("unknown command");
  if (total > kProxyHeaderOctetsMax) return malformed("header too long");
  if (octets.size() < total) return {};
  ProxyParse result;
  result.state = ProxyParse::State::complete;
  result.size_octets = total;
  // LOCAL, and PROXY without a family: everything that follows is to be ignored.
  if (command == 0 || family == 0x00) return result;
  const std::string_view header = octets.substr(0, total);
  std::size_t addresses = 0;
  switch (family) {
    case 0x11:
      addresses = 12;
      break;
    case 0x21:
      addresses = 36;
      break;
    case 0x31:
      addresses = 216;
      break;
    default:
      return malformed("not a stream of a known family");
  }
  const std::size_t tlvs = kFixedOctets + addresses;
  if (header.size() < tlvs) return malformed("addresses cut off");
  if (const char* why = check_tlvs(header, tlvs)) return malformed(why);
  if (family == 0x11) {
    result.header = {false, ipv4_at(header, 16), ipv4_at(header, 20), number_at(header, 24),
                     number_at(header, 26)};
  } else if (family == 0x21) {
    result.header = {false, ipv6_at(header, 16), ipv6_at(header, 32), number_at(header, 48),
                     number_at(header, 50)};
  }
  return result;
}

}  // namespace

std::uint32_t crc32c(std::string_view octets, std::uint32_t previous) noexcept {
  std::uint32_t value = ~previous;
  for (const char c : octets) {
    value = kCrcTable[(value ^ static_cast<std::uint8_t>(c)) & 0xff] ^ (value >> 8);
  }
  return ~value;
}

ProxyParse parse_proxy_header(std::string_view octets) {
  const auto begins_as = [octets](std::string_view signature) {
    const std::size_t common = std::min(octets.size(), signature.size());
    return octets.substr(0, common) == signature.substr(0, common);
  };
  if (begins_as(kSignature1)) {
    return octets.size() < kSignature1.size() ? ProxyParse{} : parse_version_1(octets);
  }
  if (begins_as(kSignature2)) {
    return octets.size() < kSignature2.size() ? ProxyParse{} : parse_version_2(octets);
  }
  return malformed("no PROXY header");
}

}  // namespace postern

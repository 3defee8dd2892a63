// PROXY headers of both versions: what they say, what is malformed, and that it does not matter how
// the octets arrive.
#include "runtime/proxy_protocol.hpp"

#include <gtest/gtest.h>
#include <string>

namespace postern {
namespace {

using namespace std::string_literals;
using State = ProxyParse::State;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string number(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string version_2(char command, char family, const std::string& rest) {
  return kSignature + command + family + number(rest.size()) + rest;
}

const std::string kIpv4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02"s + number(40000) + number(25);

std::string tlv(char type, const std::string& value) { return type + number(value.size()) + value; }

/// A header with a checksum TLV; `break_it` spoils the sum.
std::string with_checksum(bool break_it, const std::string& more = {}) {
  std::string header = version_2('\x21', '\x11', kIpv4 + tlv('\x03', std::string(4, '\0')) + more);
  const std::uint32_t sum = crc32c(header) ^ (break_it ? 1 : 0);
  for (std::size_t i = 0; i < 4; ++i) {
    header[16 + 12 + 3 + i] = static_cast<char>((sum >> (24 - 8 * i)) & 0xff);
  }
  return header;
}

State state_of(const std::string& octets) { return parse_proxy_header(octets).state; }

/// Every proper prefix is incomplete, the whole is complete, and what follows is not touched.
void expect_splits(const std::string& header) {
  for (std::size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(state_of(header.substr(0, size)), State::incomplete) << size;
  }
  for (const std::string& behind : {""s, "EHLO x\r\n"s, "\r\n"s, header}) {
    const ProxyParse parse = parse_proxy_header(header + behind);
    EXPECT_EQ(parse.state, State::complete) << parse.error;
    EXPECT_EQ(parse.size_octets, header.size());
  }
}

TEST(ProxyVersion1, Ipv4AndIpv6) {
  const std::string four = "PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\n";
  expect_splits(four);
  ProxyHeader header = parse_proxy_header(four).header;
  EXPECT_FALSE(header.use_connection);
  EXPECT_EQ(header.source.text(), "192.0.2.1");
  EXPECT_EQ(header.destination.text(), "198.51.100.2");
  EXPECT_EQ(header.source_port, 40000);
  EXPECT_EQ(header.destination_port, 25);
  const std::string six = "PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n";
  expect_splits(six);
  header = parse_proxy_header(six).header;
  EXPECT_EQ(header.source.text(), "2001:db8::1");
  EXPECT_EQ(header.source_port, 65535);
}

TEST(ProxyVersion1, UnknownMeansTheConnectionsOwnAddresses) {
  for (const std::string& line :
       {"PROXY UNKNOWN\r\n"s, "PROXY UNKNOWN ffff::1 whatever 1 2\r\n"s}) {
    expect_splits(line);
    EXPECT_TRUE(parse_proxy_header(line).header.use_connection);
  }
}

TEST(ProxyVersion1, TheLongestLineThereIs) {
  const std::string longest = "PROXY UNKNOWN " + std::string(107 - 16, 'f') + "\r\n";
  ASSERT_EQ(longest.size(), 107u);
  expect_splits(longest);
  EXPECT_EQ(state_of("PROXY UNKNOWN " + std::string(107 - 15, 'f') + "\r\n"), State::malformed);
  EXPECT_EQ(state_of("PROXY " + std::string(101, 'x')), State::malformed);
  EXPECT_EQ(state_of("PROXY " + std::string(100, 'x')), State::incomplete);
}

TEST(ProxyVersion1, Malformed) {
  for (const char* line :
       {"PROXY TCP4 192.0.2.1 198.51.100.2 40000\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n", "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 ::1 1 2\r\n", "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 \r\n", "PROXY TCP4 192.0.2.1 198.51.100.256 1 2\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", "PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY \r\n", "PROXY UNKNOWNX\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\rx",
        "proxy UNKNOWN\r\n", "EHLO x\r\n", "\x16\x03\x01", "PROXX"}) {
    EXPECT_EQ(state_of(line), State::malformed) << line;
  }
}

TEST(ProxyVersion2, Ipv4WithAndWithoutTlvs) {
  for (const std::string& tlvs : {""s, tlv('\x04', std::string(9, '\0')),
                                  tlv('\x01', "h2") + tlv('\x30', "netns") + tlv('\xee', "")}) {
    const std::string octets = version_2('\x21', '\x11', kIpv4 + tlvs);
    expect_splits(octets);
    const ProxyHeader header = parse_proxy_header(octets).header;
    EXPECT_EQ(header.source.text(), "192.0.2.1");
    EXPECT_EQ(header.destination.text(), "198.51.100.2");
    EXPECT_EQ(header.source_port, 40000);
    EXPECT_EQ(header.destination_port, 25);
  }
}

TEST(ProxyVersion2, Ipv6) {
  const std::string octets =
      version_2('\x21', '\x21',
                "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + "\x20\x01\x0d\xb8"s +
                    std::string(11, '\0') + "\x02" + number(1) + number(2));
  expect_splits(octets);
  const ProxyHeader header = parse_proxy_header(octets).header;
  EXPECT_EQ(header.source.text(), "2001:db8::1");
  EXPECT_EQ(header.destination.text(), "2001:db8::2");
  EXPECT_EQ(header.source_port, 1);
  EXPECT_EQ(header.destination_port, 2);
}

TEST(ProxyVersion2, LocalUnspecAndUnixMeanTheConnectionsOwnAddresses) {
  for (const std::string& octets :
       {version_2('\x20', '\x00', ""), version_2('\x20', '\x11', kIpv4),
        version_2('\x20', '\x77', "nobody looks at it"), version_2('\x21', '\x00', "ignored"),
        version_2('\x21', '\x31', std::string(216, 'p'))}) {
    expect_splits(octets);
    EXPECT_TRUE(parse_proxy_header(octets).header.use_connection);
  }
}

TEST(ProxyVersion2, ChecksumIsVerifiedWhenThere) {
  expect_splits(with_checksum(false));
  expect_splits(with_checksum(false, tlv('\x01', "alpn")));
  EXPECT_EQ(state_of(with_checksum(true)), State::malformed);
  EXPECT_EQ(state_of(version_2('\x21', '\x11', kIpv4 + tlv('\x03', "123"))), State::malformed);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);  // the check value of CRC-32C
}

TEST(ProxyVersion2, Malformed) {
  EXPECT_EQ(state_of(version_2('\x11', '\x11', kIpv4)), State::malformed);  // version 1
  EXPECT_EQ(state_of(version_2('\x22', '\x11', kIpv4)), State::malformed);  // command 2
  EXPECT_EQ(state_of(version_2('\x21', '\x12', kIpv4)), State::malformed);  // datagrams
  EXPECT_EQ(state_of(version_2('\x21', '\x41', kIpv4)), State::malformed);  // no such family
  EXPECT_EQ(state_of(version_2('\x21', '\x11', kIpv4.substr(1))), State::malformed);
  EXPECT_EQ(state_of(version_2('\x21', '\x21', kIpv4)), State::malformed);
  EXPECT_EQ(state_of(version_2('\x21', '\x11', kIpv4 + "\x01")), State::malformed);
  EXPECT_EQ(state_of(version_2('\x21', '\x11',
                               kIpv4 + "\x01\x00\x05"
                                       "abcd"s)),
            State::malformed);
  EXPECT_EQ(state_of("\r\n\r\n\0\r\nQUIX"s), State::malformed);
}

TEST(ProxyVersion2, LongHeadersAreRefusedByTheirLength) {
  const std::string fits(kProxyHeaderOctetsMax - 16, 'x');
  EXPECT_EQ(state_of(version_2('\x21', '\x00', fits)), State::complete);
  EXPECT_EQ(state_of(version_2('\x21', '\x00', fits + "x").substr(0, 16)), State::malformed);
}

}  // namespace
}  // namespace postern

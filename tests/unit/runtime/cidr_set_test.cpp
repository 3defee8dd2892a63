// Addresses, networks, and which address is in which set.
#include "runtime/cidr_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern {
namespace {

using testing::HasSubstr;

IpAddress address(std::string_view text) {
  const auto parsed = IpAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress());
}

bool contains(const std::vector<std::string>& networks, std::string_view text) {
  const auto set = CidrSet::make(networks);
  EXPECT_TRUE(set);
  return set && set->contains(address(text));
}

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  EXPECT_EQ(address("192.0.2.1").text(), "192.0.2.1");
  EXPECT_EQ(address("2001:DB8:0:0::1").text(), "2001:db8::1");
  EXPECT_TRUE(address("::ffff:192.0.2.1").is_ipv4());
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
  EXPECT_FALSE(address("::1").is_ipv4());
  for (const char* text : {"", "192.0.2", "192.0.2.256", "1.2.3.4 ", "::g", "[::1]", "fe80::1%lo",
                           "1.2.3.4.5", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpAddress, NetworkAndBroadcastOfEveryLength) {
  EXPECT_EQ(address("192.0.2.77").network(24).text(), "192.0.2.0");
  EXPECT_EQ(address("192.0.2.77").broadcast(24).text(), "192.0.2.255");
  EXPECT_EQ(address("192.0.2.77").network(27).text(), "192.0.2.64");
  EXPECT_EQ(address("192.0.2.77").network(32), address("192.0.2.77"));
  EXPECT_EQ(address("192.0.2.77").network(0).text(), "0.0.0.0");
  EXPECT_EQ(address("192.0.2.77").broadcast(0).text(), "255.255.255.255");
  EXPECT_EQ(address("2001:db8:1:2:3:4:5:6").network(64).text(), "2001:db8:1:2::");
  EXPECT_EQ(address("2001:db8:1:2:3:4:5:6").network(49).text(), "2001:db8:1::");
  EXPECT_EQ(address("2001:db8::").broadcast(33).text(), "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff");
}

TEST(CidrSet, HoldsExactlyItsNetworks) {
  const std::vector<std::string> set = {"192.0.2.0/25", "10.0.0.0/8", "198.51.100.7",
                                        "2001:db8:a::/48"};
  EXPECT_FALSE(contains(set, "9.255.255.255"));
  EXPECT_TRUE(contains(set, "10.0.0.0"));
  EXPECT_TRUE(contains(set, "10.255.255.255"));
  EXPECT_FALSE(contains(set, "11.0.0.0"));
  EXPECT_FALSE(contains(set, "192.0.1.255"));
  EXPECT_TRUE(contains(set, "192.0.2.127"));
  EXPECT_FALSE(contains(set, "192.0.2.128"));
  EXPECT_TRUE(contains(set, "198.51.100.7"));
  EXPECT_FALSE(contains(set, "198.51.100.8"));
  EXPECT_TRUE(contains(set, "2001:db8:a:ffff::1"));
  EXPECT_FALSE(contains(set, "2001:db8:b::"));
  EXPECT_FALSE(contains({}, "192.0.2.1"));
}

TEST(CidrSet, NestedAndTouchingNetworksInAnyOrder) {
  const std::vector<std::string> set = {"10.1.0.0/16", "10.0.0.0/8", "10.1.2.3", "11.0.0.0/8"};
  for (const char* text : {"10.0.0.1", "10.1.2.3", "10.1.2.4", "10.200.0.1", "11.255.255.255"}) {
    EXPECT_TRUE(contains(set, text)) << text;
  }
  EXPECT_FALSE(contains(set, "12.0.0.0"));
}

TEST(CidrSet, FamiliesAreApart) {
  EXPECT_FALSE(contains({"::/0"}, "192.0.2.1"));
  EXPECT_FALSE(contains({"::/0"}, "::ffff:192.0.2.1"));
  EXPECT_TRUE(contains({"::/0"}, "2001:db8::1"));
  EXPECT_TRUE(contains({"0.0.0.0/0"}, "255.255.255.255"));
  EXPECT_TRUE(contains({"0.0.0.0/0"}, "::ffff:192.0.2.1"));
  EXPECT_FALSE(contains({"0.0.0.0/0"}, "::1"));
  EXPECT_TRUE(contains({"::ffff:192.0.2.0/120"}, "192.0.2.9"));
  EXPECT_FALSE(contains({"::ffff:192.0.2.0/120"}, "192.0.3.9"));
}

TEST(CidrSet, SaysWhatIsWrong) {
  const auto error_of = [](const char* text) {
    const auto range = CidrRange::parse(text);
    EXPECT_FALSE(range) << text;
    return range ? std::string() : range.error().message;
  };
  EXPECT_THAT(error_of("nonsense"), HasSubstr("neither an address nor a network"));
  EXPECT_THAT(error_of("192.0.2.0/33"), HasSubstr("prefix length from 0 to 32"));
  EXPECT_THAT(error_of("192.0.2.0/"), HasSubstr("prefix length"));
  EXPECT_THAT(error_of("192.0.2.0/2 4"), HasSubstr("prefix length"));
  EXPECT_THAT(error_of("192.0.2.0/-1"), HasSubstr("prefix length"));
  EXPECT_THAT(error_of("2001:db8::/129"), HasSubstr("prefix length from 0 to 128"));
  EXPECT_THAT(error_of("192.0.2.1/24"), HasSubstr("the network is 192.0.2.0/24"));
  EXPECT_THAT(error_of("::ffff:0:0/64"), HasSubstr("reaches beyond"));
  EXPECT_FALSE(CidrSet::make({"10.0.0.0/8", "x"}));
}

}  // namespace
}  // namespace postern

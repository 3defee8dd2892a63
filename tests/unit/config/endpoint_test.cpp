#include "runtime/config/endpoint.hpp"

#include <gtest/gtest.h>

namespace postern::config {
namespace {

TEST(Endpoint, ReadsIpv4) {
  const auto endpoint = parse_endpoint("127.0.0.1:25");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(*endpoint, (Endpoint{"127.0.0.1", 25, false}));
}

TEST(Endpoint, ReadsIpv6InCanonicalForm) {
  const auto endpoint = parse_endpoint("[2001:DB8:0:0::1]:65535");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_EQ(*endpoint, (Endpoint{"2001:db8::1", 65535, true}));
}

TEST(Endpoint, WritesWhatItReads) {
  EXPECT_EQ(format_endpoint("127.0.0.1", 25), "127.0.0.1:25");
  EXPECT_EQ(format_endpoint("::1", 25), "[::1]:25");
}

TEST(Endpoint, RefusesEverythingElse) {
  const std::string with_nul("127.0.0.1\0x:25", 14);
  for (const std::string& text :
       {std::string(""), std::string(":25"), std::string("127.0.0.1"), std::string("127.0.0.1:"),
        std::string("127.0.0.1:0"), std::string("127.0.0.1:65536"), std::string("127.0.0.1:2 5"),
        std::string("127.0.0.1:+25"), std::string("127.0.0:25"), std::string("::1:25"),
        std::string("[::1]"), std::string("[::1]25"), std::string("[127.0.0.1]:25"),
        std::string("[::1:25"), std::string("localhost:25"), std::string("[]:25"),
        std::string("[:25"), std::string("]:25"), with_nul}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_EQ(endpoint.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Endpoint, ReadsBareAddresses) {
  EXPECT_EQ(parse_address("::")->address, "::");
  EXPECT_EQ(parse_address("0.0.0.0")->address, "0.0.0.0");
  EXPECT_FALSE(parse_address("[::1]"));
  EXPECT_FALSE(parse_address("mail.example.org"));
}

}  // namespace
}  // namespace postern::config

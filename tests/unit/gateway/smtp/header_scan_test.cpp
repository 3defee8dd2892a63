#include "gateway/smtp/header_scan.hpp"

#include <gtest/gtest.h>
#include <string>

namespace postern::smtp {
namespace {

struct Outcome {
  std::uint64_t octets;
  std::uint32_t hops;
  std::uint32_t local_hops;
  bool done;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome scan_in_blocks(std::string_view message, std::size_t block, bool finish) {
  HeaderScan scan;
  scan.start("mx.example.org");
  for (std::size_t at = 0; at < message.size(); at += block) {
    std::string_view in = message.substr(at, block);
    while (!in.empty() && !scan.done()) in.remove_prefix(scan.feed(in));
  }
  const bool done = scan.done();
  if (finish) scan.finish();
  return {scan.octets(), scan.hops(), scan.local_hops(), done};
}

void expect(std::string_view message, const Outcome& expected) {
  for (std::size_t block = 1; block <= message.size(); ++block) {
    ASSERT_EQ(scan_in_blocks(message, block, true), expected) << message << " by " << block;
  }
}

TEST(HeaderScan, CountsHopsAndOctets) {
  expect("A: b\r\n\r\nReceived: x\r\n", {6, 0, 0, true});
  expect("Received: by a\r\nRECEIVED : by b\r\nX-Received: c\r\n\r\n", {48, 2, 0, true});
  expect("Received: from a\r\n by mx.example.org; d\r\nA: b\r\n\r\n", {47, 1, 1, true});
  expect("Received: from a\r\n\tby\r\n\tMX.EXAMPLE.ORG\r\n\r\n", {40, 1, 1, true});
  expect("A: b\r\n by mx.example.org\r\nReceived: x\r\n\r\n", {39, 1, 0, true});
}

TEST(HeaderScan, MessagesWithoutHeaderOrBody) {
  expect("\r\nReceived: x\r\n", {0, 0, 0, true});
  expect("no header here\r\nReceived: x\r\n", {0, 0, 0, true});
  expect("A: b\r\nReceived: by mx.example.org\r\n", {35, 1, 1, false});
  expect("A: b\r\nReceived: by mx.example.org", {33, 1, 1, false});
}

TEST(HeaderScan, LongLinesAreBounded) {
  const std::string line = "Received: by mx.example.org " + std::string(100'000, 'x') + "\r\n";
  EXPECT_EQ(scan_in_blocks(line + "\r\n", 1, true), (Outcome{line.size(), 1, 1, true}));
  EXPECT_EQ(scan_in_blocks(line + "\r\n", 200'000, true), (Outcome{line.size(), 1, 1, true}));
}

// However it is cut: the name, the value and the CRs in it may be longer than what is kept.
TEST(HeaderScan, NoLengthOfAPartDependsOnTheCut) {
  const auto expect_everywhere = [](const std::string& message, const Outcome& expected) {
    for (const std::size_t block : {1, 2, 7, 1023, 1024, 1025, 1500, 4096, 1'000'000}) {
      EXPECT_EQ(scan_in_blocks(message, block, true), expected)
          << message.substr(0, 40) << " by " << block;
    }
  };
  const std::string hop = "Received: by mx.example.org\r\n";
  for (const std::size_t octets : {998, 1020, 1021, 1022, 1023, 1024, 1025, 1500, 5000}) {
    const std::string run(octets, 'X');
    const std::uint64_t size = octets + 6 + hop.size();
    expect_everywhere(run + ": v\r\n" + hop + "\r\n", {size - 1, 1, 1, true});
    expect_everywhere(run + std::string(octets, ' ') + ": v\r\n" + hop + "\r\n",
                      {size + octets - 1, 1, 1, true});
    expect_everywhere(run + "\r\n" + hop + "\r\n", {0, 0, 0, true});
    const std::string crs(octets, '\r');
    expect_everywhere("Received: by mx.example.org" + crs + "\r\n\r\n",
                      {octets + hop.size(), 1, 1, true});
    const std::string spaces(octets, ' ');
    const bool reached = octets <= 1024 - std::string_view(" by mx.example.org;").size();
    expect_everywhere("Received:" + spaces + " by mx.example.org; x\r\n\r\n",
                      {hop.size() + octets + 3, 1, reached ? 1u : 0u, true});
    expect_everywhere("Received:\r\n" + spaces + " by mx.example.org; x\r\n\r\n",
                      {hop.size() + octets + 5, 1, reached ? 1u : 0u, true});
  }
}

TEST(HeaderScan, ACarriageReturnWithinAValueIsPartOfIt) {
  expect("Received: by mx.example.org\rx\r\n\r\n", {31, 1, 0, true});
  expect("Received: by\r\n mx.example.org\r\r\n\r\n", {32, 1, 1, true});
  expect("\rReceived: x\r\nReceived: y\r\n", {0, 0, 0, true});
  expect("Received\r: x\r\nReceived: y\r\n", {0, 0, 0, true});
  expect("Receive: x\r\nReceivedd: y\r\n: z\r\n", {26, 0, 0, true});
}

TEST(ReceivedBy, ReadsTheByClause) {
  EXPECT_TRUE(received_by(" from a (b [1.2.3.4]) by mx.example.org with SMTP", "mx.example.org"));
  EXPECT_TRUE(received_by("by mx.example.org(x);d", "mx.example.org"));
  EXPECT_TRUE(received_by(" from x (by other) BY MX.example.ORG;", "mx.example.org"));
  EXPECT_FALSE(received_by(" from by.example (by mx.example.org) by other;", "mx.example.org"));
  EXPECT_FALSE(received_by(" from x (a (nested) by mx.example.org) by other", "mx.example.org"));
  EXPECT_FALSE(received_by(" from x; by mx.example.org", "mx.example.org"));
  EXPECT_FALSE(received_by(" by mx.example.org.evil", "mx.example.org"));
  EXPECT_FALSE(received_by(" from mx.example.org by", "mx.example.org"));
  EXPECT_FALSE(received_by("(unclosed \\", "mx.example.org"));
  EXPECT_FALSE(received_by(std::string_view("\0by\0 mx", 7), "mx"));
}

}  // namespace
}  // namespace postern::smtp

#include "sidecars/pop3/command_line.hpp"

#include <gtest/gtest.h>
#include <limits>

namespace postern::pop3 {
namespace {

TEST(CommandLine, SplitsAtRunsOfBlanks) {  // POP-01
  const auto line = split_command_line("TOP \t 12\t\t  7");
  EXPECT_EQ(line.keyword, "TOP");
  EXPECT_EQ(line.rest, "12\t\t  7");
  EXPECT_EQ(line.tail, "\t 12\t\t  7");
  ASSERT_EQ(line.argument_count, 2u);
  EXPECT_EQ(line.arguments[0], "12");
  EXPECT_EQ(line.arguments[1], "7");
}

TEST(CommandLine, TrailingBlanksAreNoArgument) {
  const auto line = split_command_line("STAT \t ");
  EXPECT_EQ(line.keyword, "STAT");
  EXPECT_EQ(line.argument_count, 0u);
  EXPECT_EQ(line.rest, "");
}

TEST(CommandLine, RestKeepsInnerAndTrailingBlanks) {  // POP-17
  EXPECT_EQ(split_command_line("USER a  b\t ").rest, "a  b\t ");
  EXPECT_EQ(split_command_line("USER \t a").rest, "a");
  EXPECT_EQ(split_command_line("PASS \t a b ").tail, "\t a b ");
  EXPECT_EQ(split_command_line("PASS").tail, "");
}

TEST(CommandLine, CountsMoreArgumentsThanItKeeps) {
  const auto line = split_command_line("X 1 2 3 4 5");
  EXPECT_EQ(line.argument_count, 5u);
  EXPECT_EQ(line.arguments[2], "3");
}

TEST(CommandLine, EmptyAndBlankLinesHaveNoKeyword) {
  EXPECT_TRUE(split_command_line("").keyword.empty());
  EXPECT_TRUE(split_command_line(" STAT").keyword.empty());
}

TEST(CommandLine, ParsesNumbers) {
  EXPECT_EQ(parse_number("0"), 0u);
  EXPECT_EQ(parse_number("00017"), 17u);
  EXPECT_EQ(parse_number("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_number("18446744073709551616"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_number("99999999999999999999999990"), std::numeric_limits<std::uint64_t>::max());
  for (const char* bad : {"", "-1", "+1", "1x", "0x10", "1.0", " 1"})
    EXPECT_EQ(parse_number(bad), std::nullopt) << bad;
}

TEST(CommandLine, ComparesAsciiWithoutCase) {
  EXPECT_TRUE(equals_ignoring_case("reTR", "RETR"));
  EXPECT_FALSE(equals_ignoring_case("RETRX", "RETR"));
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
}

}  // namespace
}  // namespace postern::pop3

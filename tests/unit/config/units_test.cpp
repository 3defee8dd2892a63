#include "runtime/config/units.hpp"

#include <gtest/gtest.h>

namespace postern::config {
namespace {

TEST(Units, ReadsDurations) {
  EXPECT_EQ(parse_quantity("30s", Unit::time), 30u);
  EXPECT_EQ(parse_quantity("30sec", Unit::time), 30u);
  EXPECT_EQ(parse_quantity("5min", Unit::time), 300u);
  EXPECT_EQ(parse_quantity("5 min", Unit::time), 300u);
  EXPECT_EQ(parse_quantity("5m", Unit::time), 300u);
  EXPECT_EQ(parse_quantity("1h", Unit::time), 3600u);
  EXPECT_EQ(parse_quantity("2d", Unit::time), 172800u);
  EXPECT_EQ(parse_quantity("90", Unit::time), 90u);
}

TEST(Units, ReadsSizes) {
  EXPECT_EQ(parse_quantity("512B", Unit::octets), 512u);
  EXPECT_EQ(parse_quantity("256KiB", Unit::octets), 256u << 10);
  EXPECT_EQ(parse_quantity("36MiB", Unit::octets), 36u << 20);
  EXPECT_EQ(parse_quantity("3GiB", Unit::octets), 3ull << 30);
  EXPECT_EQ(parse_quantity("1TiB", Unit::octets), 1ull << 40);
}

TEST(Units, RefusesWhatIsNoQuantity) {
  for (const char* text :
       {"", "s", "-5s", "+5s", "5 parsecs", "5s5", "1.5h", " 5s", "5s ", "5MiB"}) {
    EXPECT_FALSE(parse_quantity(text, Unit::time)) << text;
  }
  for (const char* text : {"", "KiB", "5MB", "5kib", "0x10", "5min"}) {
    EXPECT_FALSE(parse_quantity(text, Unit::octets)) << text;
  }
}

TEST(Units, RefusesWhatOverflows) {
  EXPECT_EQ(parse_quantity("9223372036854775807", Unit::octets), 9223372036854775807u);
  EXPECT_FALSE(parse_quantity("9223372036854775808", Unit::octets));
  EXPECT_FALSE(parse_quantity("99999999999999999999", Unit::octets));
  EXPECT_EQ(parse_quantity("8388607TiB", Unit::octets), 8388607ull << 40);
  EXPECT_FALSE(parse_quantity("8388608TiB", Unit::octets));
}

TEST(Units, WritesSizesToBeRead) {
  EXPECT_EQ(readable_octets(0), "0 B");
  EXPECT_EQ(readable_octets(1023), "1023 B");
  EXPECT_EQ(readable_octets(1536), "1.5 KiB");
  EXPECT_EQ(readable_octets(2ull << 30), "2.0 GiB");
}

TEST(Units, WritesTheLargestUnitThatIsExact) {
  EXPECT_EQ(format_quantity(300, Unit::time), "5min");
  EXPECT_EQ(format_quantity(90, Unit::time), "90s");
  EXPECT_EQ(format_quantity(86400, Unit::time), "1d");
  EXPECT_EQ(format_quantity(36u << 20, Unit::octets), "36MiB");
  EXPECT_EQ(format_quantity(1025, Unit::octets), "1025B");
  EXPECT_EQ(format_quantity(0, Unit::octets), "0");
  EXPECT_EQ(format_quantity(300, Unit::count), "300");
}

TEST(Units, EveryWrittenFormReadsBack) {
  for (std::uint64_t value = 1; value < 200'000; value += 7) {
    EXPECT_EQ(parse_quantity(format_quantity(value, Unit::time), Unit::time), value);
    EXPECT_EQ(parse_quantity(format_quantity(value, Unit::octets), Unit::octets), value);
  }
}

}  // namespace
}  // namespace postern::config

#include "deploy/cli/output.hpp"

#include <gtest/gtest.h>

namespace postern::cli {
namespace {

TEST(Table, AlignsColumnsByCharactersNotOctets) {
  Table table({"USER", "ALIASES"});
  table.add({"jürgen@example.org", "-"});
  table.add({"al@example.org", "sales@example.org"});
  EXPECT_EQ(table.text(),
            "USER                ALIASES\n"
            "jürgen@example.org  -\n"
            "al@example.org      sales@example.org\n");
}

TEST(Harmless, ShowsControlCharactersInsteadOfSendingThem) {
  EXPECT_EQ(harmless("a\x1b[2Jb\x07\r\n\x7f"), "a\\x1b[2Jb\\x07\\x0d\\x0a\\x7f");
  EXPECT_EQ(harmless("\xc2\x9b"
                     "31m"),
            "\\x9b31m");  // CSI as one C1 character
  EXPECT_EQ(harmless("grüße ©"), "grüße ©");
  EXPECT_EQ(harmless(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(HarmlessLines, IndentsAndKeepsLines) {
  EXPECT_EQ(harmless_lines("one\ntwo\x1b"), "  one\n  two\\x1b");
  EXPECT_EQ(harmless_lines(""), "");
}

TEST(ReadableSize, StepsAtBinaryUnits) {
  EXPECT_EQ(readable_size(0), "0 B");
  EXPECT_EQ(readable_size(1023), "1023 B");
  EXPECT_EQ(readable_size(1024), "1.0 KiB");
  EXPECT_EQ(readable_size(36u << 20), "36.0 MiB");
  EXPECT_EQ(readable_size(1ull << 60), "1048576.0 TiB");
}

TEST(Times, AreIsoInJson) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(iso_time(1'700'000'000'999), "2023-11-14T22:13:20Z");
  EXPECT_EQ(local_time(0), "-");
}

}  // namespace
}  // namespace postern::cli

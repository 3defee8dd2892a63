#include "runtime/log.hpp"

#include <gtest/gtest.h>

namespace postern::log {
namespace {

constexpr std::int64_t kTime = 1'767'323'045'006;  // 2026-01-02T03:04:05.006Z

TEST(Log, LogfmtLine) {
  EXPECT_EQ(format_line(Format::logfmt, kTime, Level::info, "gateway", "smtp.message.accepted",
                        {{"id", "ABC"}, {"octets", 4096u}, {"delta", -1}, {"sender", ""}}),
            "time=2026-01-02T03:04:05.006Z level=info process=gateway event=smtp.message.accepted "
            "id=ABC octets=4096 delta=-1 sender=\"\"");
}

TEST(Log, JsonLine) {
  EXPECT_EQ(format_line(Format::json, kTime, Level::warn, "imap", "x", {{"text", "a \"b\" \\"}}),
            "{\"time\":\"2026-01-02T03:04:05.006Z\",\"level\":\"warn\",\"process\":\"imap\","
            "\"event\":\"x\",\"text\":\"a \\\"b\\\" \\\\\"}");
}

// What a client sends cannot start a new line or look like another field.
TEST(Log, ClientTextIsEscaped) {
  const std::string line = format_line(Format::logfmt, kTime, Level::info, "p", "e",
                                       {{"hello", "a\r\nlevel=error \x01\x80 b=c"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(line.find("hello=\"a\\u000d\\u000alevel=error \\u0001\\u0080 b=c\""), std::string::npos)
      << line;
}

TEST(Log, Levels) {
  EXPECT_EQ(parse_level("error"), Level::error);
  EXPECT_EQ(parse_level("debug"), Level::debug);
  set_level(Level::warn);
  EXPECT_TRUE(enabled(Level::error));
  EXPECT_FALSE(enabled(Level::info));
  set_level(Level::info);
}

}  // namespace
}  // namespace postern::log

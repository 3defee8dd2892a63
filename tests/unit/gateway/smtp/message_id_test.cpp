#include "gateway/smtp/message_id.hpp"

#include <gtest/gtest.h>
#include <set>

namespace postern::smtp {
namespace {

constexpr std::int64_t kStart = 1'795'271'400'000;

std::string next(MessageIdGenerator& ids, std::int64_t unix_ms) {
  std::string id;
  ids.next(Now{.mono = {}, .unix_ms = unix_ms}, id);
  return id;
}

TEST(MessageId, ShortAndPlain) {
  MessageIdGenerator ids(0, kStart);
  const std::string id = next(ids, kStart);
  EXPECT_EQ(id.size(), MessageIdGenerator::kLength);
  EXPECT_EQ(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string::npos);
}

TEST(MessageId, IncreasesAndNeverRepeats) {
  MessageIdGenerator ids(3, kStart);
  std::string last;
  for (int i = 0; i < 50'000; ++i) {
    // 50 ids a millisecond, then a clock that was set back by an hour, then many in one
    // millisecond.
    std::int64_t at = kStart + i / 50;
    if (i > 20'000) at = kStart - 3'600'000;
    if (i > 30'000) at = kStart + 10'000;
    const std::string id = next(ids, at);
    ASSERT_GT(id, last) << i;
    last = id;
  }
}

TEST(MessageId, CoresDiffer) {
  std::set<std::string> seen;
  for (std::uint32_t core = 0; core < 256; ++core) {
    MessageIdGenerator ids(core, kStart);
    EXPECT_TRUE(seen.insert(next(ids, kStart)).second);
  }
}

TEST(MessageId, RestartsDiffer) {
  // A process that starts again later never goes back, and two that see the same millisecond differ
  // by their tags.
  MessageIdGenerator first(0, kStart);
  const std::string before = next(first, kStart + 5);
  MessageIdGenerator second(0, kStart + 1000);
  EXPECT_GT(next(second, kStart + 1000), before);
  MessageIdGenerator set_back(0, kStart + 1);
  EXPECT_NE(next(set_back, kStart + 5), before);
}

}  // namespace
}  // namespace postern::smtp

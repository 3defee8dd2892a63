#include "sidecars/pop3/read_ahead.hpp"

#include <gtest/gtest.h>
#include <vector>

#include "sidecars/pop3/limits.hpp"
#include "tests/unit/sidecars/pop3/fake_mail_store.hpp"

namespace postern::pop3 {
namespace {

using Use = ReadAhead::Use;

struct ReadAheadTest : testing::Test {
  Maildrop maildrop_of(std::size_t count, std::size_t size) {
    for (std::size_t i = 0; i < count; ++i) store.add(std::string(size, 'x'));
    return Maildrop(store.snapshot());
  }
  // The message-numbers a plan asks for. Bodies are numbered from 100 on.
  static std::vector<std::uint64_t> numbers(const sidecars::BodiesRequest& request) {
    std::vector<std::uint64_t> out;
    for (const auto& range : request.ranges) out.push_back(store::raw(range.body) - 99);
    return out;
  }
  test::FakeMailStore store;
  ReadAhead read_ahead;
};

TEST_F(ReadAheadTest, FirstMessageStartsARun) {
  const Maildrop maildrop = maildrop_of(100, 4096);
  read_ahead.note_wanted(1, Use::whole, {});
  const auto request = read_ahead.plan(maildrop, 1, 0, 4096, Use::whole);
  EXPECT_EQ(request.ranges.size(), 64u);  // 64 * 4096 = kReadBatchOctets
  EXPECT_EQ(numbers(request)[63], 64u);
}

TEST_F(ReadAheadTest, OneMessageInTheMiddleIsReadAlone) {
  const Maildrop maildrop = maildrop_of(100, 100);
  read_ahead.note_wanted(50, Use::whole, {});
  EXPECT_EQ(numbers(read_ahead.plan(maildrop, 50, 0, 100, Use::whole)),
            (std::vector<std::uint64_t>{50}));
}

TEST_F(ReadAheadTest, FollowsAClientThatGoesBackwards) {
  const Maildrop maildrop = maildrop_of(5, 10);
  read_ahead.note_wanted(5, Use::whole, {});
  read_ahead.note_wanted(4, Use::whole, {});
  EXPECT_EQ(numbers(read_ahead.plan(maildrop, 4, 0, 10, Use::whole)),
            (std::vector<std::uint64_t>{4, 3, 2, 1}));
}

TEST_F(ReadAheadTest, ReadsWhatWaitsInTheInputFirst) {
  const Maildrop maildrop = maildrop_of(9, 10);
  read_ahead.note_wanted(5, Use::whole,
                         "DELE 5\r\nretr\t 9\r\nTOP 3 0\r\nRETR 2\nRETR 9\r\nRETR 8");
  EXPECT_EQ(numbers(read_ahead.plan(maildrop, 5, 0, 10, Use::whole)),
            (std::vector<std::uint64_t>{5, 9, 2}));
}

TEST_F(ReadAheadTest, SkipsMarkedAndUnknownMessages) {
  Maildrop maildrop = maildrop_of(4, 10);
  maildrop.mark_deleted(2);
  read_ahead.note_wanted(1, Use::whole, "RETR 2\r\nRETR 77\r\nRETR 0\r\n");
  EXPECT_EQ(numbers(read_ahead.plan(maildrop, 1, 0, 10, Use::whole)),
            (std::vector<std::uint64_t>{1, 3, 4}));
}

TEST_F(ReadAheadTest, BoundedInMessagesAndOctets) {
  const Maildrop maildrop = maildrop_of(2000, 3);
  read_ahead.note_wanted(1, Use::whole, {});
  EXPECT_EQ(read_ahead.plan(maildrop, 1, 0, 3, Use::whole).ranges.size(), kReadAheadMessagesMax);
  read_ahead.note_wanted(2, Use::whole, {});
  EXPECT_EQ(read_ahead.plan(maildrop, 1, 0, sidecars::kReadBatchOctets, Use::whole).ranges.size(),
            1u);
}

TEST_F(ReadAheadTest, TopReadsBeginnings) {
  const Maildrop maildrop = maildrop_of(3, 100'000);
  read_ahead.note_wanted(1, Use::top, {});
  const auto request = read_ahead.plan(maildrop, 1, 0, kTopFirstReadOctets, Use::top);
  ASSERT_EQ(request.ranges.size(), 3u);
  EXPECT_EQ(request.ranges[2].length, kTopFirstReadOctets);
}

TEST_F(ReadAheadTest, GivesEachPieceOnce) {
  const Maildrop maildrop = maildrop_of(3, 10);
  read_ahead.note_wanted(1, Use::whole, {});
  const auto request = read_ahead.plan(maildrop, 1, 0, 10, Use::whole);
  read_ahead.fill(std::get<sidecars::BodiesReply>(store.answer(request)));
  EXPECT_EQ(read_ahead.held_octets(), 30u);
  EXPECT_FALSE(read_ahead.take(2, 5).has_value());
  const auto piece = read_ahead.take(2, 0);
  ASSERT_TRUE(piece && piece->octets);
  EXPECT_EQ(piece->octets->size(), 10u);
  EXPECT_FALSE(read_ahead.take(2, 0).has_value());
  EXPECT_TRUE(read_ahead.take(3, 0).has_value());
  EXPECT_TRUE(read_ahead.take(1, 0).has_value());
  EXPECT_EQ(read_ahead.held_octets(), 0u);
}

}  // namespace
}  // namespace postern::pop3

#include "sidecars/pop3/maildrop.hpp"

#include <gtest/gtest.h>

#include "tests/unit/sidecars/pop3/fake_mail_store.hpp"

namespace postern::pop3 {
namespace {

using store::UidRange;

Maildrop of_sizes(test::FakeMailStore& store, std::initializer_list<std::size_t> sizes) {
  for (const std::size_t size : sizes) store.add(std::string(size, 'x'));
  return Maildrop(store.snapshot());
}

TEST(Maildrop, NumbersMessagesFromOne) {
  test::FakeMailStore store;
  const Maildrop maildrop = of_sizes(store, {10, 20});
  EXPECT_EQ(maildrop.count(), 2u);
  EXPECT_FALSE(maildrop.exists(0));
  EXPECT_TRUE(maildrop.exists(2));
  EXPECT_FALSE(maildrop.exists(3));
  EXPECT_FALSE(maildrop.available(~0ull));
  EXPECT_EQ(maildrop.entry(2).size_octets, 20u);
  EXPECT_EQ(maildrop.available_octets(), 30u);
}

TEST(Maildrop, MarksAndReset) {
  test::FakeMailStore store;
  Maildrop maildrop = of_sizes(store, {1, 2, 4});
  maildrop.mark_deleted(2);
  EXPECT_FALSE(maildrop.available(2));
  EXPECT_TRUE(maildrop.exists(2));
  EXPECT_EQ(maildrop.available_count(), 2u);
  EXPECT_EQ(maildrop.available_octets(), 5u);
  maildrop.reset_marks();
  EXPECT_EQ(maildrop.available_octets(), 7u);
  EXPECT_TRUE(maildrop.marked_uids().empty());
}

TEST(Maildrop, MarkedUidsAreExact) {  // POP-13
  test::FakeMailStore store;
  of_sizes(store, {1, 1, 1});  // uids 1 2 3
  store.uid_gap = 5;
  Maildrop maildrop = of_sizes(store, {1, 1});  // uids 4 and 9
  for (const std::uint64_t number : {5u, 1u, 2u, 4u}) maildrop.mark_deleted(number);
  EXPECT_EQ(maildrop.marked_uids(), (std::vector<UidRange>{{1, 2}, {4, 4}, {9, 9}}));
}

TEST(Maildrop, EmptyOnes) {
  const Maildrop none;
  EXPECT_EQ(none.count(), 0u);
  EXPECT_EQ(none.marked_count(), 0u);
  test::FakeMailStore store;
  EXPECT_EQ(Maildrop(store.snapshot()).available_octets(), 0u);
}

}  // namespace
}  // namespace postern::pop3

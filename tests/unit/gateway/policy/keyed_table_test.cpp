// The bounded memory of keys, and the hash that places them.
#include "runtime/keyed_table.hpp"

#include <gtest/gtest.h>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace postern {
namespace {

KeyedDigest key(std::uint64_t number) { return {.high = number, .low = number * 7 + 1}; }

constexpr auto kWorth = [](int& value) { return static_cast<std::uint64_t>(value); };

TEST(KeyedTable, FindsWhatWasPut) {
  KeyedTable<int> table(64);
  EXPECT_FALSE(table.find(key(1), [](int&) {}));
  table.with(key(1), kWorth, [](int& value) { value = 5; });
  int found = 0;
  EXPECT_TRUE(table.find(key(1), [&](int& value) { found = value; }));
  EXPECT_EQ(found, 5);
  EXPECT_FALSE(table.find(key(65), [](int&) {}));
  EXPECT_EQ(table.entries(), 1U);
}

TEST(KeyedTable, ShowsEveryEntryOnce) {
  KeyedTable<int> table(1024);
  table.for_each([](const KeyedDigest&, int&) { FAIL() << "nothing is there"; });
  for (std::uint64_t i = 0; i < 200; ++i) {
    table.with(key(i), kWorth, [&](int& value) { value = static_cast<int>(i); });
  }
  std::set<int> seen;
  table.for_each([&](const KeyedDigest& digest, int& value) {
    EXPECT_EQ(digest, key(static_cast<std::uint64_t>(value)));
    EXPECT_TRUE(seen.insert(value).second);
  });
  EXPECT_EQ(seen.size(), 200U);
}

TEST(KeyedTable, FullSetGivesUpItsLeastValuableEntry) {
  KeyedTable<int> table(KeyedTable<int>::kWays);
  ASSERT_EQ(table.entries_max(), 16U);
  for (int i = 0; i < 16; ++i) {
    table.with(key(std::uint64_t(i)), kWorth, [i](int& value) { value = i == 9 ? 1 : 100 + i; });
  }
  std::vector<std::uint64_t> dropped;
  table.with(
      key(99), kWorth, [&](const KeyedDigest& gone, int&) { dropped.push_back(gone.high); },
      [](int& value) {
        EXPECT_EQ(value, 0) << "a new entry is empty";
        value = 50;
      });
  EXPECT_EQ(dropped, std::vector<std::uint64_t>{9});
  EXPECT_FALSE(table.find(key(9), [](int&) {}));
  EXPECT_TRUE(table.find(key(0), [](int&) {}));
  EXPECT_EQ(table.evictions(), 1U);
  EXPECT_EQ(table.entries(), 16U);
}

TEST(KeyedTable, WorthlessEntriesGoWithoutBeingCountedAsForgotten) {
  KeyedTable<int> table(16);
  for (std::uint64_t i = 0; i < 1000; ++i) table.with(key(i), kWorth, [](int&) {});
  EXPECT_EQ(table.evictions(), 0U);
  EXPECT_EQ(table.entries(), 16U);
}

TEST(KeyedTable, ThreadsCountExactly) {
  KeyedTable<int> table(1024);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&table] {
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        table.with(key(i % 50), kWorth, [](int& value) { ++value; });
      }
    });
  }
  threads.clear();
  for (std::uint64_t i = 0; i < 50; ++i) {
    int count = 0;
    table.find(key(i), [&](int& value) { count = value; });
    EXPECT_EQ(count, 4 * 20'000 / 50);
  }
}

TEST(KeyedHash, KindsAndKeysSeparate) {
  const KeyedHash hash;
  EXPECT_EQ(hash(1, "alice"), hash(1, "alice"));
  EXPECT_NE(hash(1, "alice"), hash(2, "alice"));
  EXPECT_NE(hash(1, "alice"), hash(1, "alicf"));
  EXPECT_NE(hash(1, "alice"), KeyedHash()(1, "alice")) << "another table has another key";
}

}  // namespace
}  // namespace postern

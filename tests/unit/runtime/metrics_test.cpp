#include "runtime/metrics.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace postern::metrics {
namespace {

TEST(Metrics, SumsTheCellsOfAllThreads) {
  Registry registry({{"postern_a_total", "A", Kind::counter, "", ""},
                     {"postern_b_total", "B", Kind::counter, "kind", "x"}});
  std::vector<std::thread> threads;
  for (int index = 0; index < 4; ++index) {
    threads.emplace_back([&registry] {
      Cells& cells = registry.add_cells();
      for (int round = 0; round < 1000; ++round) cells.add(1, 2);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.sum(0), 0u);
  EXPECT_EQ(registry.sum(1), 8000u);
}

TEST(Metrics, ServingOnABadAddressIsAnErrorThatNamesTheSetting) {
  Registry registry({});
  const Result<void> served = registry.serve("256.0.0.1:1");
  ASSERT_FALSE(served);
  EXPECT_NE(served.error().message.find("[metrics]"), std::string::npos);
}

}  // namespace
}  // namespace postern::metrics

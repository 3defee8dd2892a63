// The delay between logins: exact to the second, whenever its upkeep happens.
#include "gateway/login_delay.hpp"

#include <gtest/gtest.h>

namespace postern::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr store::AccountId kAnna{1};
constexpr store::AccountId kBert{2};

TEST(LoginDelay, OneLoginADelayAndAccount) {
  LoginDelay delay(seconds(60));
  const MonoTime start{std::chrono::hours(5)};
  EXPECT_EQ(delay.admit(kAnna, start), std::nullopt);
  EXPECT_EQ(delay.admit(kAnna, start), seconds(60));
  EXPECT_EQ(delay.admit(kBert, start), std::nullopt);
  EXPECT_EQ(delay.admit(kAnna, start + milliseconds(10'500)), seconds(50)) << "rounded up";
  EXPECT_EQ(delay.admit(kAnna, start + milliseconds(59'999)), seconds(1));
  EXPECT_EQ(delay.admit(kAnna, start + seconds(60)), std::nullopt) << "refusals do not count";
  EXPECT_EQ(delay.admit(kAnna, start + seconds(119)), seconds(1));
}

TEST(LoginDelay, HoldsWhateverTheMomentOfItsUpkeep) {
  for (int offset_s = 0; offset_s < 60; ++offset_s) {
    LoginDelay delay(seconds(60));
    const MonoTime start{std::chrono::hours(5)};
    (void)delay.admit(kBert, start);
    const MonoTime login = start + seconds(offset_s);
    ASSERT_EQ(delay.admit(kAnna, login), std::nullopt);
    for (int after_s = 0; after_s < 60; ++after_s)
      ASSERT_EQ(delay.admit(kAnna, login + seconds(after_s)), seconds(60 - after_s));
    ASSERT_EQ(delay.admit(kAnna, login + seconds(60)), std::nullopt);
  }
}

TEST(LoginDelay, ZeroIsNone) {
  LoginDelay delay(seconds(0));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(delay.admit(kAnna, MonoTime{}), std::nullopt);
}

}  // namespace
}  // namespace postern::gateway

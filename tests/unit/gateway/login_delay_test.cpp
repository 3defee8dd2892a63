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
  EXPECT_EQ(delay.admit(kAnna, 0, start), std::nullopt);
  EXPECT_EQ(delay.admit(kAnna, 0, start), seconds(60));
  EXPECT_EQ(delay.admit(kBert, 0, start), std::nullopt);
  EXPECT_EQ(delay.admit(kAnna, 0, start + milliseconds(10'500)), seconds(50)) << "rounded up";
  EXPECT_EQ(delay.admit(kAnna, 0, start + milliseconds(59'999)), seconds(1));
  EXPECT_EQ(delay.admit(kAnna, 0, start + seconds(60)), std::nullopt) << "refusals do not count";
  EXPECT_EQ(delay.admit(kAnna, 0, start + seconds(119)), seconds(1));
}

TEST(LoginDelay, HoldsWhateverTheMomentOfItsUpkeep) {
  for (int offset_s = 0; offset_s < 60; ++offset_s) {
    LoginDelay delay(seconds(60));
    const MonoTime start{std::chrono::hours(5)};
    (void)delay.admit(kBert, 0, start);
    const MonoTime login = start + seconds(offset_s);
    ASSERT_EQ(delay.admit(kAnna, 0, login), std::nullopt);
    for (int after_s = 0; after_s < 60; ++after_s)
      ASSERT_EQ(delay.admit(kAnna, 0, login + seconds(after_s)), seconds(60 - after_s));
    ASSERT_EQ(delay.admit(kAnna, 0, login + seconds(60)), std::nullopt);
  }
}

TEST(LoginDelay, ALoginWhoseAnswerWasLostMayBeAskedForAgain) {
  LoginDelay delay(seconds(60));
  const MonoTime start{std::chrono::hours(5)};
  EXPECT_EQ(delay.admit(kAnna, 7, start), std::nullopt);
  EXPECT_EQ(delay.admit(kAnna, 7, start + seconds(3)), std::nullopt);
  EXPECT_EQ(delay.admit(kAnna, 8, start + seconds(3)), seconds(57)) << "another one is too soon";
  EXPECT_EQ(delay.admit(kAnna, 0, start + seconds(3)), seconds(57));
}

TEST(LoginDelay, ALoginThatCameToNothingTakesItsDelayBack) {
  for (const int offset_s : {1, 30, 59}) {  // in either generation
    LoginDelay delay(seconds(60));
    const MonoTime start{std::chrono::hours(5)};
    (void)delay.admit(kBert, 1, start);
    const MonoTime login = start + seconds(offset_s);
    ASSERT_EQ(delay.admit(kAnna, 2, login), std::nullopt);
    ASSERT_EQ(delay.admit(kAnna, 3, login + seconds(2)), seconds(58));
    delay.undo(kAnna, 3);
    EXPECT_EQ(delay.admit(kAnna, 4, login + seconds(2)), seconds(58)) << "not the one that counts";
    delay.undo(kBert, 2);
    delay.undo(kAnna, 2);
    EXPECT_EQ(delay.admit(kAnna, 5, login + seconds(2)), std::nullopt);
    EXPECT_EQ(delay.admit(kAnna, 6, login + seconds(3)), seconds(59));
  }
}

TEST(LoginDelay, ZeroIsNone) {
  LoginDelay delay(seconds(0));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(delay.admit(kAnna, 0, MonoTime{}), std::nullopt);
}

}  // namespace
}  // namespace postern::gateway

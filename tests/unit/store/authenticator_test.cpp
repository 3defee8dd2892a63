// Logins against a directory picture, and the memory of successes.
#include "store/authenticator.hpp"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "store/directory_picture.hpp"
#include "store/password.hpp"

namespace postern::store {
namespace {

using std::chrono::minutes;
using Kind = AuthOutcome::Kind;

class AuthenticatorTest : public ::testing::Test {
 protected:
  void set_password(const std::string& password) {
    DirectoryEditor editor(std::make_shared<const DirectoryPicture>());
    editor.add_domain("example.net");
    editor.put_account({.id = AccountId{1},
                        .name = "ann@example.net",
                        .inbox = MailboxId{2},
                        .password_hash = hash_password(password, {.log2_n = 10}).value()});
    editor.put_account({.id = AccountId{2}, .name = "nopass@example.net", .inbox = MailboxId{3}});
    editor.put_account({.id = AccountId{3},
                        .name = "broken@example.net",
                        .inbox = MailboxId{4},
                        .password_hash = "scrypt$nonsense"});
    directory_ = editor.build();
  }
  void SetUp() override { set_password("secret"); }
  Authenticator make(AuthenticatorOptions options = {}) {
    return Authenticator([this] { return directory_; }, options);
  }

  DirectoryPtr directory_;
  MonoTime now_{std::chrono::hours(1)};
};

TEST_F(AuthenticatorTest, RightPasswordGivesTheAccount) {
  Authenticator authenticator = make();
  const AuthOutcome outcome = authenticator.verify("Ann@Example.net", "secret", now_);
  EXPECT_EQ(outcome.kind, Kind::ok);
  EXPECT_EQ(raw(outcome.account), 1u);
  EXPECT_EQ(outcome.name, "ann@example.net");
  EXPECT_EQ(raw(outcome.inbox), 2u);
}

TEST_F(AuthenticatorTest, WrongUnknownAndPasswordlessLookTheSame) {
  Authenticator authenticator = make();
  for (const auto& [user, password] :
       {std::pair{"ann@example.net", "wrong"}, std::pair{"nobody@example.net", "secret"},
        std::pair{"nopass@example.net", ""}, std::pair{"ann@example.net", ""}}) {
    const AuthOutcome outcome = authenticator.verify(user, password, now_);
    EXPECT_EQ(outcome.kind, Kind::bad_credentials) << user;
    EXPECT_EQ(raw(outcome.account), 0u);
    EXPECT_FALSE(authenticator.verify_cached(user, password, now_).has_value());
  }
  EXPECT_EQ(authenticator.verify("broken@example.net", "x", now_).kind, Kind::unavailable);
}

TEST_F(AuthenticatorTest, SuccessIsRememberedForAWhile) {
  Authenticator authenticator = make({.success_lifetime = minutes(5)});
  EXPECT_FALSE(authenticator.verify_cached("ann@example.net", "secret", now_).has_value());
  ASSERT_EQ(authenticator.verify("ann@example.net", "secret", now_).kind, Kind::ok);
  const auto cached = authenticator.verify_cached("ANN@example.net", "secret", now_ + minutes(4));
  ASSERT_TRUE(cached.has_value());
  EXPECT_EQ(cached->kind, Kind::ok);
  EXPECT_EQ(raw(cached->inbox), 2u);
  EXPECT_FALSE(authenticator.verify_cached("ann@example.net", "secres", now_).has_value());
  EXPECT_FALSE(
      authenticator.verify_cached("ann@example.net", "secret", now_ + minutes(5)).has_value());
}

TEST_F(AuthenticatorTest, ChangedPasswordOrRemovedAccountIsForgottenAtOnce) {
  Authenticator authenticator = make();
  ASSERT_EQ(authenticator.verify("ann@example.net", "secret", now_).kind, Kind::ok);
  set_password("other");
  EXPECT_FALSE(authenticator.verify_cached("ann@example.net", "secret", now_).has_value());
  EXPECT_EQ(authenticator.verify("ann@example.net", "secret", now_).kind, Kind::bad_credentials);
  ASSERT_EQ(authenticator.verify("ann@example.net", "other", now_).kind, Kind::ok);
  directory_ = std::make_shared<const DirectoryPicture>();
  EXPECT_FALSE(authenticator.verify_cached("ann@example.net", "other", now_).has_value());
  EXPECT_EQ(authenticator.verify("ann@example.net", "other", now_).kind, Kind::bad_credentials);
}

TEST_F(AuthenticatorTest, MemoryIsBounded) {
  DirectoryEditor editor(std::make_shared<const DirectoryPicture>());
  editor.add_domain("example.net");
  const std::string hash = hash_password("p", {.log2_n = 10}).value();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    editor.put_account({.id = AccountId{i},
                        .name = "u" + std::to_string(i) + "@example.net",
                        .inbox = MailboxId{i},
                        .password_hash = hash});
  }
  directory_ = editor.build();
  Authenticator authenticator = make({.successes_max = 8});
  for (int i = 1; i <= 20; ++i) {
    ASSERT_EQ(authenticator
                  .verify("u" + std::to_string(i) + "@example.net", "p",
                          now_ + minutes(0) + std::chrono::seconds(i))
                  .kind,
              Kind::ok);
  }
  std::size_t remembered = 0;
  for (int i = 1; i <= 20; ++i) {
    remembered += authenticator
                      .verify_cached("u" + std::to_string(i) + "@example.net", "p",
                                     now_ + std::chrono::seconds(21))
                      .has_value();
  }
  EXPECT_LE(remembered, 8u);
  EXPECT_GE(remembered, 3u);
  EXPECT_TRUE(authenticator.verify_cached("u20@example.net", "p", now_ + std::chrono::seconds(21)));
}

TEST_F(AuthenticatorTest, UnknownUserCostsAsMuchAsAWrongPassword) {
  DirectoryEditor editor(std::make_shared<const DirectoryPicture>());
  editor.put_account(
      {.id = AccountId{1},
       .name = "ann@example.net",
       .inbox = MailboxId{2},
       .password_hash = hash_password("secret").value()});  // default cost, as in life
  directory_ = editor.build();
  Authenticator authenticator = make();
  const auto time = [&](const char* user) {
    const MonoTime begin = read_clocks().mono;
    EXPECT_EQ(authenticator.verify(user, "wrong", now_).kind, Kind::bad_credentials);
    return read_clocks().mono - begin;
  };
  (void)time("ann@example.net");
  // The least of several runs: everything else on the machine only adds.
  Duration known = Duration::max();
  Duration unknown = Duration::max();
  for (int i = 0; i < 5; ++i) {
    known = std::min(known, time("ann@example.net"));
    unknown = std::min(unknown, time("nobody@example.net"));
  }
  EXPECT_LT(unknown, known * 2);
  EXPECT_LT(known, unknown * 2);
}

TEST_F(AuthenticatorTest, ManyThreads) {
  Authenticator authenticator = make({.successes_max = 2});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const bool good = (i + t) % 2 == 0;
        const auto outcome = authenticator.verify("ann@example.net", good ? "secret" : "bad", now_);
        if ((outcome.kind == Kind::ok) != good) ++wrong;
        const auto cached = authenticator.verify_cached("ann@example.net", "bad", now_);
        if (cached) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace postern::store

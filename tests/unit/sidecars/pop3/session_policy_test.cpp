// What an administrator decides: retention, login delay, commands of a session.
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace postern::pop3::test {
namespace {

using std::chrono::days;
using std::chrono::hours;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Expire, BehindTheLoginItIsTheAccountsOwn) {
  const auto announced = [](store::MailboxPolicy policy) {
    FakeMailStore store;
    store.policy = policy;
    store.strictest = {.strictest = {.keep = days(1)}, .differs_by_user = true};
    Pop3Driver driver(store);
    driver.login();
    return driver.ask("CAPA\r\n");
  };
  EXPECT_THAT(announced({}), HasSubstr("\r\nEXPIRE NEVER\r\n"));
  EXPECT_THAT(announced({.keep = days(30)}), HasSubstr("\r\nEXPIRE 30\r\n"));
  EXPECT_THAT(announced({.keep = hours(47)}), HasSubstr("\r\nEXPIRE 1\r\n"))
      << "whole days that are sure";
  EXPECT_THAT(announced({.keep = days(30), .delete_after_retrieval = true}),
              HasSubstr("\r\nEXPIRE 0\r\n"));
}

TEST(Expire, BeforeTheLoginItIsTheStrictestOfAll) {
  const auto announced = [](sidecars::PolicyReply::Policy strictest) {
    FakeMailStore store;
    store.strictest = strictest;
    Pop3Driver driver(store);
    return driver.ask("CAPA\r\n");
  };
  EXPECT_THAT(announced({}), HasSubstr("\r\nEXPIRE NEVER\r\n"));
  EXPECT_THAT(announced({{.keep = days(7)}, false}), HasSubstr("\r\nEXPIRE 7\r\n"));
  EXPECT_THAT(announced({{.keep = days(7)}, true}), HasSubstr("\r\nEXPIRE 7 USER\r\n"));
  EXPECT_THAT(announced({{.delete_after_retrieval = true}, true}),
              HasSubstr("\r\nEXPIRE 0 USER\r\n"));
}

TEST(Expire, WithoutTheGatewayTheConfigurationIsTold) {
  FakeMailStore store;
  store.policy_unavailable = true;
  Pop3Profile profile = open_profile();
  profile.policy.keep = days(14);
  Pop3Driver driver(store, profile);
  EXPECT_THAT(driver.ask("CAPA\r\n"), HasSubstr("\r\nEXPIRE 14 USER\r\n"));
}

TEST(Expire, CommandsBehindAnUnansweredCapaWait) {
  FakeMailStore store;
  Pop3Driver driver(store);
  driver.auto_reply = false;
  EXPECT_EQ(driver.ask("CAPA\r\nUSER anna\r\n"), "");
  driver.reply();
  const std::string answer = driver.take_output();
  EXPECT_THAT(answer, StartsWith("+OK capabilities"));
  EXPECT_THAT(answer, EndsWith(".\r\n+OK send the password\r\n"));
}

TEST(LoginDelay, IsAnnouncedAndAnsweredWithItsCode) {
  FakeMailStore store;
  store.login_retry_after_s = 17;
  Pop3Profile profile = open_profile();
  profile.settings.login_delay = std::chrono::seconds(60);
  profile.settings.logon_failures_max = 1;
  Pop3Driver driver(store, profile);
  EXPECT_THAT(driver.ask("CAPA\r\n"), HasSubstr("\r\nLOGIN-DELAY 60\r\n"));
  EXPECT_EQ(
      driver.ask("USER anna@example.org\r\nPASS s3cret pass\r\n"),
      "+OK send the password\r\n-ERR [LOGIN-DELAY] wait 17 seconds before the next login\r\n");
  EXPECT_FALSE(driver.closed) << "the password was right: no failure";
  EXPECT_TRUE(driver.observer.failures.empty());
  store.login_retry_after_s = 0;
  driver.login();
  EXPECT_THAT(driver.ask("CAPA\r\n"), HasSubstr("\r\nLOGIN-DELAY 60\r\n"));
  FakeMailStore other;
  Pop3Driver without(other);
  EXPECT_THAT(without.ask("CAPA\r\n"), Not(HasSubstr("LOGIN-DELAY")));
}

TEST(DeleteAfterRetrieval, QuitRemovesWhatWasSentWhole) {
  FakeMailStore store;
  store.policy.delete_after_retrieval = true;
  for (int i = 0; i < 5; ++i) store.add("message\r\n");
  Pop3Driver driver(store);
  driver.login();
  driver.ask("RETR 2\r\nTOP 3 0\r\nDELE 4\r\nRSET\r\nDELE 5\r\nRETR 1\r\n");
  EXPECT_THAT(driver.ask("STAT\r\n"), StartsWith("+OK 4 ")) << "nothing is hidden before UPDATE";
  EXPECT_THAT(driver.ask("QUIT\r\n"), StartsWith("+OK 3 messages removed"));
  ASSERT_EQ(store.expunges.size(), 1u);
  EXPECT_THAT(store.expunges[0].uids, ElementsAre(store::UidRange{1, 2}, store::UidRange{5, 5}));
}

TEST(DeleteAfterRetrieval, NothingGoesWithoutQuitOrWithoutTheWholeMessage) {
  FakeMailStore store;
  store.policy.delete_after_retrieval = true;
  store.add(std::string(3'000'000, 'x') + "\r\n");
  {
    Pop3Driver driver(store);
    driver.login();
    driver.ask("RETR 1\r\n");
    driver.end_of_input();
  }
  {
    Pop3Driver driver(store);
    driver.login();
    driver.auto_sent = false;
    driver.feed("RETR 1\r\nQUIT\r\n");  // the client stops reading in the middle
    driver.destroy();
  }
  EXPECT_TRUE(store.expunges.empty());
  FakeMailStore keeping;
  keeping.add("message\r\n");
  Pop3Driver driver(keeping);
  driver.login();
  driver.ask("RETR 1\r\nQUIT\r\n");
  EXPECT_TRUE(keeping.expunges.empty()) << "off by default";
}

TEST(CommandsMax, OneMoreEndsTheSessionWithoutUpdate) {
  FakeMailStore store;
  store.add("message\r\n");
  Pop3Profile profile = open_profile();
  profile.settings.commands_max = 5;
  Pop3Driver driver(store, profile);
  driver.login();
  EXPECT_THAT(driver.ask("DELE 1\r\nUNKNOWN\r\nNOOP\r\n"), EndsWith("+OK\r\n"));
  EXPECT_EQ(driver.ask("QUIT\r\n"),
            "-ERR too many commands in one session, closing connection\r\n");
  EXPECT_TRUE(driver.closed);
  EXPECT_TRUE(store.expunges.empty());
  ASSERT_EQ(driver.observer.ends.size(), 1u);
  EXPECT_EQ(driver.observer.ends[0].reason, EndReason::commands_max);
}

TEST(CommandsMax, OffByDefault) {
  FakeMailStore store;
  Pop3Driver driver(store);
  driver.login();
  for (int i = 0; i < 10'000; ++i) driver.ask("NOOP\r\n");
  EXPECT_FALSE(driver.closed);
}

}  // namespace
}  // namespace postern::pop3::test

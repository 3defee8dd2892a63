// QUIT and UPDATE, autologout, shutdown, and clients that go away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace postern::pop3::test {
namespace {

using std::chrono::seconds;
using store::UidRange;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

struct EndTest : testing::Test {
  EndTest() {
    for (int i = 0; i < 5; ++i) store.add("body\r\n");
    driver.emplace(store);
    driver->login();
  }
  std::string ask(std::string_view command) { return driver->ask(std::string(command) + "\r\n"); }
  void expect_end(EndReason reason) {
    EXPECT_TRUE(driver->closed);
    ASSERT_EQ(driver->observer.ends.size(), 1u);
    EXPECT_EQ(driver->observer.ends[0].reason, reason) << name_of(driver->observer.ends[0].reason);
  }
  FakeMailStore store;
  std::optional<Pop3Driver> driver;
};

TEST_F(EndTest, QuitWithoutMarksAsksNothing) {
  const auto requests = store.requests;
  EXPECT_EQ(ask("QUIT"), "+OK bye\r\n");
  EXPECT_EQ(store.requests, requests);
  expect_end(EndReason::quit);
}

TEST_F(EndTest, QuitRemovesExactlyTheMarkedOnes) {  // POP-13
  ask("DELE 1");
  ask("DELE 4");
  ask("DELE 5");
  EXPECT_EQ(ask("QUIT"), "+OK 3 messages removed, bye\r\n");
  ASSERT_EQ(store.expunges.size(), 1u);
  EXPECT_EQ(store.expunges[0].mailbox, FakeMailStore::kInbox);
  EXPECT_EQ(store.expunges[0].uids, (std::vector<UidRange>{{1, 1}, {4, 5}}));
  EXPECT_FALSE(store.expunges[0].only_deleted);
  EXPECT_EQ(store.entries.size(), 2u);
  expect_end(EndReason::quit);
  EXPECT_EQ(driver->observer.ends[0].deleted_count, 3u);
}

TEST_F(EndTest, QuitIsAnsweredWhenTheStoreHasDoneIt) {
  ask("DELE 1");
  driver->auto_reply = false;
  EXPECT_EQ(ask("QUIT"), "");
  EXPECT_FALSE(driver->closed);
  EXPECT_EQ(ask("NOOP"), "");
  driver->reply();
  EXPECT_EQ(driver->take_output(), "+OK 1 messages removed, bye\r\n");
  expect_end(EndReason::quit);
}

// What was pipelined before QUIT goes out first: a client that leaves in the message did not have
// it.
TEST_F(EndTest, UpdateWaitsUntilTheAnswersBeforeItHaveGone) {
  driver->auto_sent = false;
  driver->take_output();
  driver->feed("RETR 1\r\nDELE 1\r\nQUIT\r\n");
  EXPECT_THAT(driver->output(), EndsWith(".\r\n+OK message 1 marked as deleted\r\n"));
  EXPECT_TRUE(store.expunges.empty());
  EXPECT_FALSE(driver->closed);
  driver->advance(seconds{60});
  EXPECT_TRUE(store.expunges.empty());
  driver->output_sent();
  EXPECT_EQ(store.expunges.size(), 1u);
  EXPECT_THAT(driver->take_output(), EndsWith("+OK 1 messages removed, bye\r\n"));
  expect_end(EndReason::quit);
}

TEST_F(EndTest, AClientThatLeavesBeforeTheAnswersHaveGoneHasRemovedNothing) {
  store.policy.delete_after_retrieval = true;
  Pop3Driver gone(store);
  gone.login();
  gone.auto_sent = false;
  gone.feed("RETR 1\r\nQUIT\r\n");
  gone.end_of_input();  // a reset connection: nothing will be sent any more
  gone.destroy();
  EXPECT_TRUE(store.expunges.empty());
  driver->auto_sent = false;
  driver->feed("DELE 1\r\nQUIT\r\n");
  driver->advance(seconds{1800});
  EXPECT_TRUE(store.expunges.empty());
  expect_end(EndReason::autologout);
}

TEST_F(EndTest, ShutdownBeforeTheAnswersHaveGoneFinishesTheUpdate) {
  driver->auto_sent = false;
  driver->feed("DELE 1\r\nQUIT\r\n");
  driver->shutdown();
  EXPECT_FALSE(driver->closed);
  driver->output_sent();
  EXPECT_EQ(store.expunges.size(), 1u);
  expect_end(EndReason::quit);
}

TEST_F(EndTest, UpdateFailureIsToldAndTemporary) {  // POP-08, POP-13
  for (const ErrorCode code : {ErrorCode::unavailable, ErrorCode::exhausted, ErrorCode::io}) {
    Pop3Driver other(store);
    store.mutation_error = code;
    other.login();
    other.ask("DELE 2\r\n");
    EXPECT_EQ(other.ask("QUIT\r\n"),
              "-ERR [SYS/TEMP] messages marked as deleted may not have been removed\r\n");
    EXPECT_TRUE(other.closed);
    ASSERT_EQ(other.observer.ends.size(), 1u);
    EXPECT_EQ(other.observer.ends[0].reason, EndReason::update_failed);
    EXPECT_EQ(other.observer.ends[0].deleted_count, 0u);
  }
  EXPECT_EQ(store.entries.size(), 5u);
}

TEST_F(EndTest, RemovedByTwoSessions) {  // POP-03
  Pop3Driver other(store);
  other.login();
  other.ask("DELE 2\r\nQUIT\r\n");
  ask("DELE 2");
  ask("DELE 3");
  EXPECT_THAT(ask("QUIT"), StartsWith("+OK"));
  EXPECT_EQ(driver->observer.ends[0].deleted_count, 1u);
  EXPECT_EQ(store.entries.size(), 3u);
}

TEST_F(EndTest, QuitBeforeLogin) {
  Pop3Driver other(store);
  EXPECT_EQ(other.ask("QUIT\r\nNOOP\r\n"), "+OK bye\r\n");
  EXPECT_TRUE(other.closed);
}

TEST_F(EndTest, AutologoutAfterLoginRemovesNothing) {  // POP-09, POP-10
  ask("DELE 1");
  EXPECT_EQ(driver->until_deadline(), seconds{1800});
  driver->advance(seconds{1799});
  EXPECT_FALSE(driver->closed);
  ask("NOOP");
  EXPECT_EQ(driver->until_deadline(), seconds{1800});
  driver->advance(seconds{1800});
  EXPECT_EQ(driver->take_output(), "-ERR no command for too long, closing connection\r\n");
  EXPECT_TRUE(store.expunges.empty());
  expect_end(EndReason::autologout);
}

TEST_F(EndTest, AutologoutBeforeLoginIsResetByCommands) {  // POP-09
  Pop3Driver other(store);
  other.take_output();
  EXPECT_EQ(other.until_deadline(), seconds{60});
  other.advance(seconds{59});
  other.ask("CAPA\r\n");
  EXPECT_EQ(other.until_deadline(), seconds{60});
  other.advance(seconds{30});
  other.feed("half a comm");  // no command yet
  EXPECT_EQ(other.until_deadline(), seconds{30});
  other.advance(seconds{30});
  EXPECT_EQ(other.take_output(), "-ERR no login in time, closing connection\r\n");
  EXPECT_TRUE(other.closed);
}

TEST_F(EndTest, ZeroSwitchesTheTimersOff) {
  Pop3Profile profile = open_profile();
  profile.settings.login_timeout = seconds{0};
  profile.settings.inactivity_timeout = seconds{0};
  Pop3Driver other(store, profile);
  EXPECT_EQ(other.until_deadline(), std::nullopt);
  other.login();
  EXPECT_EQ(other.until_deadline(), std::nullopt);
}

TEST_F(EndTest, AReaderOfALongMessageIsNotInactive) {
  store.add(std::string(2'000'000, 'x'));
  Pop3Driver other(store);
  other.login();
  other.auto_sent = false;
  other.feed("RETR 6\r\n");
  for (int i = 0; i < 3; ++i) {
    other.advance(seconds{1700});
    other.output_sent();
  }
  EXPECT_FALSE(other.closed);
  other.advance(seconds{1800});  // now it has stalled
  EXPECT_TRUE(other.closed);
  EXPECT_THAT(other.take_output(), EndsWith("xxx"));  // no place for an announcement
}

TEST_F(EndTest, AStoreThatNeverAnswersDoesNotHoldTheSession) {
  driver->auto_reply = false;
  ask("RETR 1");
  driver->advance(seconds{1800});
  EXPECT_THAT(driver->take_output(), StartsWith("-ERR no command"));
  expect_end(EndReason::autologout);
}

TEST_F(EndTest, AnUpdateThatIsNeverAnswered) {
  ask("DELE 1");
  driver->auto_reply = false;
  ask("QUIT");
  driver->advance(seconds{1800});
  EXPECT_THAT(driver->take_output(), StartsWith("-ERR [SYS/TEMP]"));
  expect_end(EndReason::update_failed);
}

TEST_F(EndTest, ShutdownWhenIdle) {
  ask("DELE 1");
  driver->shutdown();
  EXPECT_EQ(driver->take_output(), "-ERR [SYS/TEMP] server is stopping\r\n");
  EXPECT_TRUE(store.expunges.empty());
  expect_end(EndReason::shutdown);
}

TEST_F(EndTest, ShutdownFinishesTheAnswer) {
  driver->auto_reply = false;
  driver->take_output();
  driver->feed("RETR 1\r\nRETR 2\r\n");
  driver->shutdown();
  EXPECT_FALSE(driver->closed);
  driver->reply();
  EXPECT_EQ(driver->take_output(),
            "+OK 6 octets\r\nbody\r\n.\r\n-ERR [SYS/TEMP] server is stopping\r\n");
  expect_end(EndReason::shutdown);
}

TEST_F(EndTest, ShutdownDuringUpdateFinishesIt) {
  ask("DELE 1");
  driver->auto_reply = false;
  ask("QUIT");
  driver->shutdown();
  EXPECT_FALSE(driver->closed);
  driver->reply();
  EXPECT_THAT(driver->take_output(), StartsWith("+OK 1 messages removed"));
  expect_end(EndReason::quit);
}

TEST_F(EndTest, ShutdownAnswersAFailedLoginAtOnce) {
  Pop3Profile profile = open_profile();
  profile.failed_login_delay = seconds{5};
  Pop3Driver other(store, profile);
  other.ask("USER a\r\nPASS b\r\n");
  other.shutdown();
  EXPECT_EQ(other.take_output(),
            "-ERR [AUTH] wrong user name or password\r\n-ERR [SYS/TEMP] server is stopping\r\n");
  EXPECT_TRUE(other.closed);
}

TEST_F(EndTest, ShutdownDuringAHandshakeSaysNothing) {
  Pop3Driver other(store);
  other.auto_tls = false;
  other.ask("STLS\r\n");
  other.shutdown();
  EXPECT_EQ(other.take_output(), "");
  EXPECT_TRUE(other.closed);
}

TEST_F(EndTest, EndOfInputRemovesNothing) {
  ask("DELE 1");
  driver->end_of_input();
  EXPECT_EQ(driver->take_output(), "");
  EXPECT_TRUE(store.expunges.empty());
  expect_end(EndReason::client_gone);
}

TEST_F(EndTest, EndOfInputLetsAnAnswerFinish) {
  driver->auto_reply = false;
  ask("RETR 1");
  driver->end_of_input();
  EXPECT_FALSE(driver->closed);
  driver->reply();
  EXPECT_EQ(driver->take_output(), "+OK 6 octets\r\nbody\r\n.\r\n");
  expect_end(EndReason::client_gone);
}

TEST_F(EndTest, EndOfInputLetsAFailedLoginBeAnswered) {
  Pop3Profile profile = open_profile();
  profile.failed_login_delay = seconds{2};
  Pop3Driver other(store, profile);
  other.ask("USER a\r\nPASS b\r\n");
  other.end_of_input();
  EXPECT_FALSE(other.closed);
  other.advance(seconds{2});
  EXPECT_EQ(other.take_output(), "-ERR [AUTH] wrong user name or password\r\n");
  EXPECT_TRUE(other.closed);
  ASSERT_EQ(other.observer.ends.size(), 1u);
  EXPECT_EQ(other.observer.ends[0].reason, EndReason::client_gone);
}

TEST_F(EndTest, EndOfInputAfterQuitLetsUpdateFinish) {
  ask("DELE 1");
  driver->auto_reply = false;
  ask("QUIT");
  driver->end_of_input();
  driver->reply();
  EXPECT_THAT(driver->take_output(), StartsWith("+OK 1 messages removed"));
  expect_end(EndReason::quit);
}

TEST_F(EndTest, ADroppedSessionReportsItself) {
  driver->destroy();
  ASSERT_EQ(driver->observer.ends.size(), 1u);
  EXPECT_EQ(driver->observer.ends[0].reason, EndReason::client_gone);
}

TEST_F(EndTest, AClosedSessionReportsOnce) {
  ask("QUIT");
  driver->destroy();
  EXPECT_EQ(driver->observer.ends.size(), 1u);
}

TEST(End, NeverOpenedSessionsReportNothing) {
  RecordingObserver observer;
  const auto profile = std::make_shared<const Pop3Profile>();
  {
    Pop3Session session(profile, {}, &observer);
  }
  {
    Pop3Session session(profile, {}, &observer);
    session.on_shutdown({});
    EXPECT_TRUE(session.output().close);
    EXPECT_TRUE(session.output().bytes.empty());
  }
  EXPECT_TRUE(observer.ends.empty());
}

}  // namespace
}  // namespace postern::pop3::test

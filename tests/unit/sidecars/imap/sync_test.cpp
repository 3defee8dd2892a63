// What the client learns when others change its mailbox, and when (RFC 3501 5.2, 5.3, 7.4.1).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecars/imap/limits.hpp"
#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

namespace postern::imap::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint16_t kSeen = static_cast<std::uint16_t>(store::Flag::seen);

struct ImapSyncTest : ::testing::Test {
  ImapSyncTest() {
    for (int index = 0; index < 4; ++index) store.append(store.inbox, "x");
  }
  FakeMailStore store;
};

TEST_F(ImapSyncTest, NoopTellsEverything) {
  SessionDriver driver(store);
  driver.log_in();
  store.expunge(store.inbox, 1);
  store.expunge(store.inbox, 3);
  store.set_flags(store.inbox, 4, kSeen);
  store.append(store.inbox, "new");
  EXPECT_EQ(driver.talk("a NOOP\r\n"),
            "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 0 RECENT\r\n"
            "* 2 FETCH (FLAGS (\\Seen))\r\na OK NOOP completed\r\n");
  EXPECT_EQ(driver.talk("b CHECK\r\n"), "b OK CHECK completed\r\n");
}

TEST_F(ImapSyncTest, ExpungeWaitsForACommandThatAllowsIt) {
  SessionDriver driver(store);
  driver.log_in();
  store.expunge(store.inbox, 2);
  store.append(store.inbox, "new");
  driver.mailbox_changed();
  // Unasked: EXISTS but no EXPUNGE; the message that is gone still counts.
  EXPECT_EQ(driver.take(), "* 5 EXISTS\r\n* 0 RECENT\r\n");
  EXPECT_EQ(driver.talk("a FETCH 1:* (UID)\r\n"),
            "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\n"
            "* 5 FETCH (UID 5)\r\na OK FETCH completed\r\n");
  EXPECT_EQ(driver.talk("b SEARCH ALL\r\n"), "* SEARCH 1 2 3 4 5\r\nb OK SEARCH completed\r\n");
  EXPECT_EQ(driver.talk("c STORE 3 +FLAGS (\\Seen)\r\n"),
            "* 3 FETCH (FLAGS (\\Seen))\r\nc OK STORE completed\r\n");
  EXPECT_EQ(store.entries(store.inbox)[1].uid, 3u);
  EXPECT_TRUE(store.entries(store.inbox)[1].flags.has(store::Flag::seen));
  // UID commands may carry EXPUNGE (RFC 3501 7.4.1).
  EXPECT_EQ(driver.talk("d UID SEARCH ALL\r\n"),
            "* SEARCH 1 2 3 4 5\r\n* 2 EXPUNGE\r\n* 4 EXISTS\r\n* 0 RECENT\r\nd OK SEARCH "
            "completed\r\n");
}

TEST_F(ImapSyncTest, FetchOfAVanishedBodyIsANo) {
  SessionDriver driver(store);
  driver.log_in();
  store.lose_body(store.inbox, 2);
  store.expunge(store.inbox, 2);
  EXPECT_EQ(driver.talk("a FETCH 1:3 (BODY.PEEK[])\r\n"),
            "* 1 FETCH (BODY[] {1}\r\nx)\r\n* 3 FETCH (BODY[] {1}\r\nx)\r\n"
            "a NO [EXPUNGEISSUED] Some messages do not exist any more\r\n");
  EXPECT_THAT(driver.talk("b FETCH 2 (ENVELOPE BODYSTRUCTURE)\r\n"),
              HasSubstr("b NO [EXPUNGEISSUED]"));
  EXPECT_THAT(driver.talk("c NOOP\r\n"), HasSubstr("* 2 EXPUNGE\r\n* 3 EXISTS"));
}

TEST_F(ImapSyncTest, ChangesDuringACommandAreToldAtItsEnd) {
  SessionDriver driver(store);
  driver.log_in();
  driver.hold_replies(true);
  driver.send("a FETCH 1:4 (BODY.PEEK[])\r\n");
  store.expunge(store.inbox, 1);
  store.append(store.inbox, "new");
  driver.mailbox_changed();
  EXPECT_EQ(driver.take(), "");
  driver.hold_replies(false);
  driver.answer_held();
  const std::string answer = driver.take();
  EXPECT_THAT(answer, HasSubstr("* 4 FETCH (BODY[] {1}\r\nx)\r\n* 5 EXISTS\r\n* 0 RECENT\r\na OK"));
  EXPECT_THAT(answer, Not(HasSubstr("EXPUNGE")));
  EXPECT_EQ(driver.talk("b NOOP\r\n"),
            "* 1 EXPUNGE\r\n* 4 EXISTS\r\n* 0 RECENT\r\nb OK NOOP completed\r\n");
}

TEST_F(ImapSyncTest, UnaskedFlagChanges) {
  SessionDriver driver(store);
  driver.log_in();
  store.set_flags(store.inbox, 3, kSeen);
  driver.mailbox_changed();
  EXPECT_EQ(driver.take(), "* 3 FETCH (FLAGS (\\Seen))\r\n");
  driver.mailbox_changed();
  EXPECT_EQ(driver.take(), "") << "a spurious change tells nothing";
}

TEST_F(ImapSyncTest, ExchangeBehaviourNeverTellsFlagsThatOthersChanged) {
  SessionDriver driver(store, make_profile(Behaviour::exchange));
  driver.log_in();
  store.set_flags(store.inbox, 3, kSeen);
  driver.mailbox_changed();
  EXPECT_EQ(driver.talk("a NOOP\r\n"), "a OK NOOP completed\r\n");
  EXPECT_EQ(driver.talk("b STORE 2 +FLAGS (\\Seen)\r\n"),
            "* 2 FETCH (FLAGS (\\Seen))\r\nb OK STORE completed\r\n");
}

TEST_F(ImapSyncTest, NothingIsToldBeforeTheLastWasSent) {
  SessionDriver driver(store);
  driver.log_in();
  driver.hold_output(true);
  store.append(store.inbox, "5");
  driver.mailbox_changed();
  const std::size_t waiting = driver.output_waiting();
  EXPECT_GT(waiting, 0u);
  for (int index = 0; index < 100; ++index) {
    store.append(store.inbox, "more");
    driver.mailbox_changed();
  }
  EXPECT_EQ(driver.output_waiting(), waiting);
  driver.hold_output(false);
  driver.send_output();
  EXPECT_EQ(driver.take(), "* 5 EXISTS\r\n* 0 RECENT\r\n* 105 EXISTS\r\n* 0 RECENT\r\n");
}

TEST_F(ImapSyncTest, IdleTellsChangesAsTheyCome) {
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a IDLE\r\n"), "+ idling\r\n");
  store.append(store.inbox, "5");
  driver.mailbox_changed();
  EXPECT_EQ(driver.take(), "* 5 EXISTS\r\n* 0 RECENT\r\n");
  store.set_flags(store.inbox, 2, kSeen);
  store.expunge(store.inbox, 1);
  driver.mailbox_changed();
  EXPECT_EQ(driver.take(),
            "* 1 EXPUNGE\r\n* 4 EXISTS\r\n* 0 RECENT\r\n* 1 FETCH (FLAGS (\\Seen))\r\n");
  EXPECT_EQ(driver.talk("DONE\r\n"), "a OK IDLE completed\r\n");
}

TEST_F(ImapSyncTest, IdleBeginsWithWhatWasHeldBack) {
  SessionDriver driver(store);
  driver.log_in();
  store.expunge(store.inbox, 4);
  driver.mailbox_changed();
  EXPECT_EQ(driver.take(), "");
  EXPECT_EQ(driver.talk("a IDLE\r\n"), "+ idling\r\n* 4 EXPUNGE\r\n* 3 EXISTS\r\n* 0 RECENT\r\n");
  EXPECT_EQ(driver.talk("DONE\r\nb NOOP\r\n"), "a OK IDLE completed\r\nb OK NOOP completed\r\n");
}

TEST_F(ImapSyncTest, IdleEndsOnlyByDone) {
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a IDLE\r\nb NOOP\r\n"), "+ idling\r\na BAD DONE was expected\r\n");
  EXPECT_EQ(driver.talk("c IDLE\r\ndone\r\n"), "+ idling\r\nc OK IDLE completed\r\n");
  SessionDriver unselected(store);
  unselected.log_in("");
  EXPECT_EQ(unselected.talk("d IDLE\r\nDONE\r\n"), "+ idling\r\nd OK IDLE completed\r\n");
}

TEST_F(ImapSyncTest, ManyExpungesAreToldInPieces) {
  for (int index = 0; index < 40000; ++index) store.append_large(store.inbox, "x", 1);
  SessionDriver driver(store);
  driver.log_in();
  for (store::Uid uid = 2; uid <= 20; uid += 2) store.expunge(store.inbox, uid);
  store.answer(sidecars::MutateRequest{store::StoreFlags{.mailbox = store.inbox,
                                                         .uids = {{1, 40000}},
                                                         .mode = store::StoreFlags::Mode::add,
                                                         .system_flags = kSeen | 8}});
  driver.take();
  std::string answer = driver.talk("a NOOP\r\n");
  EXPECT_THAT(answer, HasSubstr("* 20 EXPUNGE\r\n* 18 EXPUNGE"));
  EXPECT_LT(driver.output_max, kOutputHighOctets + 1024);
  answer = driver.talk("b EXPUNGE\r\n");
  EXPECT_THAT(answer, HasSubstr("* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 4 EXISTS"));
  EXPECT_LT(driver.output_max, kOutputHighOctets + 1024);
}

}  // namespace
}  // namespace postern::imap::testing

// SELECT, STATUS, LIST, LSUB, CLOSE, EXPUNGE, STORE: commands on mailboxes and flags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

namespace postern::imap::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint16_t kSeen = static_cast<std::uint16_t>(store::Flag::seen);
constexpr std::uint16_t kDeleted = static_cast<std::uint16_t>(store::Flag::deleted);

struct ImapMailboxTest : ::testing::Test {
  FakeMailStore store;
};

TEST_F(ImapMailboxTest, SelectTellsTheMailbox) {
  store.append(store.inbox, "a", kSeen);
  store.append(store.inbox, "b");
  SessionDriver driver(store);
  driver.log_in("");
  EXPECT_EQ(driver.talk("a SELECT inbox\r\n"),
            "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)\r\n"
            "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent \\*)] "
            "Flags that are kept\r\n"
            "* 2 EXISTS\r\n"
            "* 0 RECENT\r\n"
            "* OK [UNSEEN 2] The first unseen message\r\n"
            "* OK [UIDVALIDITY 1001] UIDs are valid\r\n"
            "* OK [UIDNEXT 3] The next UID\r\n"
            "a OK [READ-WRITE] SELECT completed\r\n");
  EXPECT_EQ(driver.session->watched(), store.inbox);
  EXPECT_THAT(driver.observer.events.back(), "selected INBOX rw 2");
  const std::string examine = driver.talk("b EXAMINE INBOX\r\n");
  EXPECT_THAT(examine, HasSubstr("[PERMANENTFLAGS ()]"));
  EXPECT_THAT(examine, HasSubstr("b OK [READ-ONLY] EXAMINE completed"));
}

TEST_F(ImapMailboxTest, ExchangeBehaviourHasNoClientKeywords) {
  store.append(store.inbox, "a");
  SessionDriver driver(store, make_profile(Behaviour::exchange));
  driver.open();
  driver.send("a LOGIN user secret\r\n");
  EXPECT_THAT(driver.talk("b SELECT INBOX\r\n"), Not(HasSubstr("\\*")));
  EXPECT_THAT(driver.talk("c STORE 1 +FLAGS ($Junk)\r\n"), StartsWith("c NO [CANNOT]"));
  EXPECT_THAT(driver.talk("d STORE 1 +FLAGS ($mdnsent)\r\n"), HasSubstr("d OK"));
}

TEST_F(ImapMailboxTest, FailedSelectLeavesNothingSelected) {
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_THAT(driver.talk("a SELECT nowhere\r\n"), StartsWith("a NO [NONEXISTENT]"));
  EXPECT_EQ(driver.session->watched(), std::nullopt);
  EXPECT_THAT(driver.talk("b FETCH 1 FLAGS\r\n"), StartsWith("b BAD"));
  EXPECT_THAT(driver.talk("c SELECT &Jjo\r\n"), StartsWith("c NO"));
  EXPECT_THAT(driver.talk("d SELECT \"" + std::string(251, 'x') + "\"\r\n"), StartsWith("d NO"));
}

TEST_F(ImapMailboxTest, NamesAreComparedWithoutCase) {
  store.add_folder("Entwürfe/Äpfel");
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_THAT(driver.talk("a SELECT entw&APw-rfe/&AOQ-PFEL\r\n"), HasSubstr("a OK [READ-WRITE]"));
  EXPECT_THAT(driver.observer.events, ElementsAre("selected Entwürfe/Äpfel rw 0"));
}

TEST_F(ImapMailboxTest, Status) {
  store.append(store.inbox, "abc", kSeen);
  store.append(store.inbox, "defgh");
  store.add_folder("a \"b\" \\ c");
  SessionDriver driver(store);
  driver.log_in("");
  EXPECT_EQ(
      driver.talk("a STATUS inBox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE)\r\n"),
      "* STATUS \"INBOX\" (MESSAGES 2 RECENT 0 UIDNEXT 3 UIDVALIDITY 1001 UNSEEN 1 SIZE 8)\r\n"
      "a OK STATUS completed\r\n");
  // IMAP-14: a name with a backslash or a quote is a literal.
  EXPECT_EQ(driver.talk("b STATUS \"a \\\"b\\\" \\\\ c\" (messages)\r\n"),
            "* STATUS {9}\r\na \"b\" \\ c (MESSAGES 0)\r\nb OK STATUS completed\r\n");
  EXPECT_THAT(driver.talk("c STATUS INBOX ()\r\n"), StartsWith("c BAD"));
  EXPECT_THAT(driver.talk("d STATUS INBOX (MESSAGES X)\r\n"), StartsWith("d BAD"));
  EXPECT_THAT(driver.talk("e STATUS gone (MESSAGES)\r\n"), StartsWith("e NO"));
}

TEST_F(ImapMailboxTest, ListFindsNamesByPattern) {
  store.add_folder("Work");
  store.add_folder("Work/2024/Q1");
  store.add_folder("Entwürfe");
  store.add_folder("back\\slash");
  store.add_folder("100%");
  SessionDriver driver(store);
  driver.log_in("");
  EXPECT_EQ(driver.talk("a LIST \"\" *\r\n"),
            "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n"
            "* LIST (\\HasNoChildren) \"/\" \"100%\"\r\n"
            "* LIST (\\HasNoChildren) \"/\" {10}\r\nback\\slash\r\n"
            "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe\"\r\n"
            "* LIST (\\HasChildren) \"/\" \"Work\"\r\n"
            "* LIST (\\Noselect \\HasChildren) \"/\" \"Work/2024\"\r\n"
            "* LIST (\\HasNoChildren) \"/\" \"Work/2024/Q1\"\r\n"
            "a OK LIST completed\r\n");
  EXPECT_EQ(driver.talk("b LIST \"\" \"\"\r\n"),
            "* LIST (\\Noselect) \"/\" \"\"\r\nb OK LIST completed\r\n");
  EXPECT_EQ(driver.talk("c LIST Work/ %\r\n"),
            "* LIST (\\Noselect \\HasChildren) \"/\" \"Work/2024\"\r\nc OK LIST completed\r\n");
  // IMAP-29: a reference that is no level gives nothing.
  EXPECT_EQ(driver.talk("d LIST Work *\r\n"), "d OK LIST completed\r\n");
  EXPECT_EQ(driver.talk("e LIST \"\" inbox\r\n"),
            "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\ne OK LIST completed\r\n");
  EXPECT_EQ(driver.talk("f LIST \"\" entw&ANw-*\r\n"),
            "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe\"\r\nf OK LIST completed\r\n");
  EXPECT_EQ(driver.talk("g LIST \"\" nothing\r\n"), "g OK LIST completed\r\n");
  EXPECT_THAT(driver.talk("h LIST \"\" (a b)\r\n"), StartsWith("h BAD"));
}

TEST_F(ImapMailboxTest, LsubShowsSubscribedNames) {
  store.add_folder("A/B");
  store.add_folder("C", false);
  SessionDriver driver(store);
  driver.log_in("");
  EXPECT_EQ(driver.talk("a LSUB \"\" *\r\n"),
            "* LSUB (\\HasNoChildren) \"/\" \"INBOX\"\r\n"
            "* LSUB (\\HasNoChildren) \"/\" \"A/B\"\r\n"
            "a OK LSUB completed\r\n");
  EXPECT_EQ(driver.talk("b LSUB \"\" %\r\n"),
            "* LSUB (\\HasNoChildren) \"/\" \"INBOX\"\r\n"
            "* LSUB (\\Noselect \\HasChildren) \"/\" \"A\"\r\n"
            "b OK LSUB completed\r\n");
}

TEST_F(ImapMailboxTest, ManyFoldersAreListedInPieces) {
  for (int index = 0; index < 10000; ++index) {
    store.add_folder("folder with a rather long name " + std::to_string(index));
  }
  SessionDriver driver(store);
  driver.log_in("");
  const std::string answer = driver.talk("a LIST \"\" *\r\n");
  EXPECT_EQ(std::ranges::count(answer, '\n'), 10002);
  EXPECT_LT(driver.output_max, 300u * 1024);
}

TEST_F(ImapMailboxTest, StoreReportsTheNewFlags) {
  store.append(store.inbox, "a");
  store.append(store.inbox, "b", kSeen);
  store.append(store.inbox, "c");
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a STORE 1:2 +FLAGS (\\Seen)\r\n"),
            "* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH (FLAGS (\\Seen))\r\na OK STORE completed\r\n");
  EXPECT_EQ(driver.talk("b UID STORE 3 FLAGS \\Deleted \\Flagged\r\n"),
            "* 3 FETCH (UID 3 FLAGS (\\Flagged \\Deleted))\r\nb OK STORE completed\r\n");
  EXPECT_EQ(driver.talk("c STORE 3 -flags.silent (\\Deleted)\r\n"), "c OK STORE completed\r\n");
  EXPECT_EQ(driver.talk("d STORE 1 FLAGS ()\r\n"),
            "* 1 FETCH (FLAGS ())\r\nd OK STORE completed\r\n");
  EXPECT_EQ(driver.talk("e NOOP\r\n"), "e OK NOOP completed\r\n");
  EXPECT_EQ(store.entries(store.inbox)[2].flags.system, 4);
  // A set without messages, unknown flags, wrong numbers.
  EXPECT_EQ(driver.talk("f UID STORE 99 +FLAGS (\\Seen)\r\n"), "f OK STORE completed\r\n");
  EXPECT_THAT(driver.talk("g STORE 4 +FLAGS (\\Seen)\r\n"), StartsWith("g BAD"));
  EXPECT_THAT(driver.talk("h STORE 1 +FLAGS (\\Recent)\r\n"), StartsWith("h BAD"));
  EXPECT_THAT(driver.talk("i STORE 1 +FLAGS (a]b)\r\n"), StartsWith("i BAD"));
  EXPECT_THAT(driver.talk("j STORE 1 FLAG (\\Seen)\r\n"), StartsWith("j BAD"));
  EXPECT_THAT(driver.talk("k STORE 0 FLAGS (\\Seen)\r\n"), StartsWith("k BAD"));
}

TEST_F(ImapMailboxTest, MoreKeywordsThanAMailboxCanHaveAreALimit) {
  store.append(store.inbox, "a");
  SessionDriver driver(store);
  driver.log_in();
  std::string keywords;
  for (std::size_t number = 1; number <= store::kKeywordsPerMailboxMax; ++number) {
    keywords += " k" + std::to_string(number);
  }
  const std::string head = "a STORE 1 +FLAGS (\\Seen";
  EXPECT_EQ(driver.talk(head + keywords + " one-more)\r\n"),
            "a NO [LIMIT] There are more keywords than a mailbox can have\r\n");
  EXPECT_EQ(store.mutations, 0u);
  EXPECT_THAT(driver.talk(head + keywords + ")\r\n"), HasSubstr("a OK STORE completed"));
}

TEST_F(ImapMailboxTest, KeywordsBecomeKnown) {
  store.append(store.inbox, "a");
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(
      driver.talk("a STORE 1 +FLAGS ($Work \\Seen)\r\n"),
      "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent $Work)\r\n"
      "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent $Work \\*)]"
      " Flags that are kept\r\n"
      "* 1 FETCH (FLAGS (\\Seen $Work))\r\n"
      "a OK STORE completed\r\n");
  EXPECT_EQ(driver.talk("b STORE 1 -FLAGS ($work)\r\n"),
            "* 1 FETCH (FLAGS (\\Seen))\r\nb OK STORE completed\r\n");
}

TEST_F(ImapMailboxTest, SilentStoreStillTellsWhatOthersDid) {
  store.append(store.inbox, "a");
  store.append(store.inbox, "b");
  SessionDriver driver(store);
  driver.log_in();
  store.set_flags(store.inbox, 2, kDeleted);
  EXPECT_EQ(driver.talk("a STORE 1:2 +FLAGS.SILENT (\\Seen)\r\n"),
            "* 2 FETCH (FLAGS (\\Seen \\Deleted))\r\na OK STORE completed\r\n");
}

TEST_F(ImapMailboxTest, ReadOnlyMailboxIsNotChanged) {
  store.append(store.inbox, "a", kDeleted);
  SessionDriver driver(store);
  driver.log_in("");
  driver.send("a EXAMINE INBOX\r\n");
  EXPECT_THAT(driver.talk("b STORE 1 +FLAGS (\\Seen)\r\n"), StartsWith("b NO [READ-ONLY]"));
  EXPECT_THAT(driver.talk("c EXPUNGE\r\n"), StartsWith("c NO [READ-ONLY]"));
  EXPECT_EQ(driver.talk("d FETCH 1 BODY[]\r\n"),
            "* 1 FETCH (BODY[] {1}\r\na)\r\nd OK FETCH completed\r\n");
  EXPECT_EQ(driver.talk("e CLOSE\r\n"), "e OK CLOSE completed\r\n");
  EXPECT_EQ(store.mutations, 0u);
}

TEST_F(ImapMailboxTest, ExpungeTellsFromTheLastToTheFirst) {
  for (int index = 0; index < 5; ++index) {
    store.append(store.inbox, "x", index % 2 == 0 ? kDeleted : std::uint16_t{0});
  }
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a EXPUNGE\r\n"),
            "* 5 EXPUNGE\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 0 RECENT\r\n"
            "a OK EXPUNGE completed\r\n");
  EXPECT_EQ(driver.talk("b FETCH 1:* (UID)\r\n"),
            "* 1 FETCH (UID 2)\r\n* 2 FETCH (UID 4)\r\nb OK FETCH completed\r\n");
}

TEST_F(ImapMailboxTest, UidExpungeTakesOnlyWhatIsNamed) {
  for (int index = 0; index < 4; ++index) store.append(store.inbox, "x", kDeleted);
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a UID EXPUNGE 2:3,9\r\n"),
            "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 2 EXISTS\r\n* 0 RECENT\r\na OK EXPUNGE completed\r\n");
  EXPECT_EQ(driver.talk("b UID EXPUNGE 77\r\n"), "b OK EXPUNGE completed\r\n");
  EXPECT_THAT(driver.talk("c UID EXPUNGE\r\n"), StartsWith("c BAD"));
}

TEST_F(ImapMailboxTest, CloseExpungesSilentlyAndUnselectDoesNot) {
  store.append(store.inbox, "x", kDeleted);
  store.append(store.inbox, "y");
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a UNSELECT\r\n"), "a OK UNSELECT completed\r\n");
  EXPECT_EQ(store.entries(store.inbox).size(), 2u);
  driver.send("b SELECT INBOX\r\n");
  driver.take();
  EXPECT_EQ(driver.talk("c CLOSE\r\n"), "c OK CLOSE completed\r\n");
  EXPECT_EQ(store.entries(store.inbox).size(), 1u);
  EXPECT_THAT(driver.talk("d CLOSE\r\n"), StartsWith("d BAD"));
  driver.send("e SELECT INBOX\r\n");
  const std::size_t mutations = store.mutations;
  driver.send("f CLOSE\r\n");
  EXPECT_EQ(store.mutations, mutations) << "nothing was deleted, nothing is to be written";
}

TEST_F(ImapMailboxTest, DeletedMailboxEndsTheSession) {
  const auto box = store.add_folder("box");
  SessionDriver driver(store);
  driver.log_in("box");
  store.remove_folder(box);
  driver.mailbox_changed();
  EXPECT_EQ(driver.take(), "* BYE The selected mailbox was deleted\r\n");
  EXPECT_TRUE(driver.closed);
  EXPECT_THAT(driver.observer.events, ElementsAre("end mailbox_gone"));
}

}  // namespace
}  // namespace postern::imap::testing

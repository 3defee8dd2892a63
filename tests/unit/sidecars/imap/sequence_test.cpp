// Two clients and random changes: sequence numbers, as each client counts them, must always name
// the right message.
#include <array>
#include <gtest/gtest.h>
#include <random>
#include <string>

#include "tests/unit/sidecars/imap/fake_mail_store.hpp"
#include "tests/unit/sidecars/imap/response_checker.hpp"

namespace postern::imap::testing {
namespace {

/// One client that never asks for UIDs but to verify.
struct Client {
  explicit Client(FakeMailStore& store, Behaviour behaviour)
      : driver(store, make_profile(behaviour)) {
    driver.open();
    send("l LOGIN user secret\r\ns SELECT INBOX\r\nu UID FETCH 1:* (UID)\r\n");
  }
  void send(std::string_view command) {
    driver.send(command);
    check();
  }
  void check() {
    const std::string output = driver.take();
    ASSERT_TRUE(checker.read(output)) << checker.problem();
  }
  SessionDriver driver;
  ResponseChecker checker;
};

class History {
 public:
  explicit History(unsigned seed)
      : random_(seed),
        clients_{Client(store_, Behaviour::modern),
                 Client(store_, seed % 3 == 0 ? Behaviour::exchange : Behaviour::modern)} {}

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      if (random_() % 3 == 0) {
        change();
      } else {
        command(clients_[random_() % 2]);
      }
      if (random_() % 2 == 0) announce();
    }
    for (Client& client : clients_) verify(client);
  }
  std::size_t expunges() const {
    return clients_[0].checker.expunges + clients_[1].checker.expunges;
  }

 private:
  void announce() {
    for (Client& client : clients_) {
      client.driver.mailbox_changed();
      client.check();
    }
  }

  void change() {
    const auto entries = store_.entries(store_.inbox);
    const auto some = [&] { return entries[random_() % entries.size()].uid; };
    switch (random_() % 3) {
      case 0:
        store_.append(store_.inbox, "Subject: x\r\n\r\nbody", random_() % 32);
        return;
      case 1:
        if (!entries.empty()) store_.set_flags(store_.inbox, some(), random_() % 32);
        return;
      default:
        if (entries.empty()) return;
        const store::Uid uid = some();
        if (random_() % 2 == 0) store_.lose_body(store_.inbox, uid);
        store_.expunge(store_.inbox, uid);
    }
  }

  void command(Client& client) {
    const std::size_t count = client.checker.uids().size();
    const std::string one = std::to_string(count == 0 ? 1 : 1 + random_() % count);
    const std::size_t before = client.checker.expunges;
    bool keeps = false;  // no EXPUNGE may be sent in it
    switch (random_() % 12) {
      case 0:
        client.send("a NOOP\r\n");
        break;
      case 1:
        keeps = true;
        client.send("a FETCH 1:* (UID FLAGS)\r\n");
        break;
      case 2:
        keeps = true;
        client.send("a FETCH " + one + " (UID BODY[])\r\n");
        break;
      case 3:
        keeps = true;
        client.send("a STORE " + one + " +FLAGS (\\Deleted $k)\r\n");
        break;
      case 4:
        keeps = true;
        client.send("a STORE " + one + " -FLAGS.SILENT (\\Seen)\r\n");
        break;
      case 5:
        keeps = true;
        client.send("a SEARCH UNSEEN SUBJECT x\r\n");
        break;
      case 6:
        client.send("a UID SEARCH DELETED\r\n");
        break;
      case 7:
        client.send("a EXPUNGE\r\n");
        break;
      case 8:
        client.send("a UID FETCH 1:* (FLAGS ENVELOPE)\r\n");
        break;
      case 9:
        client.send("a IDLE\r\n");
        change();
        announce();
        client.send("DONE\r\n");
        break;
      case 10:
        client.send("a UID STORE 1:* +FLAGS.SILENT (\\Flagged)\r\n");
        break;
      default:
        client.send("a CHECK\r\n");
        break;
    }
    if (keeps) {
      EXPECT_EQ(client.checker.expunges, before);
    }
  }

  void verify(Client& client) {
    client.send("v NOOP\r\nw FETCH 1:* (UID)\r\n");
    std::vector<std::uint32_t> expected;
    for (const auto& entry : store_.entries(store_.inbox)) expected.push_back(entry.uid);
    EXPECT_EQ(client.checker.uids(), expected);
  }

  FakeMailStore store_;
  std::mt19937 random_;
  std::array<Client, 2> clients_;
};

TEST(ImapSequenceTest, NumbersStayRightForTwoClients) {
  std::size_t expunges = 0;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    History history(seed);
    history.run(60);
    expunges += history.expunges();
    if (::testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(expunges, 500u);
}

TEST(ResponseCheckerTest, SeesWhatIsWrong) {
  for (const std::string_view bad :
       {"* 1 EXPUNGE\r\n", "* 1 FETCH (FLAGS ())\r\n", "* OK \xc3\xa4\r\n",
        "* LIST () \"/\" \"\xc3\xa4\"\r\n", "* LIST () \"/\" {9}\r\nx\r\n", "* LIST ( \"/\" x\r\n",
        "* 1 EXISTS\r\n* 0 EXISTS\r\n", "a OK",
        "* 1 EXISTS\r\n* 1 FETCH (UID 1)\r\n* 1 FETCH (UID 2)\r\n", "* SEARCH  1\r\n", "x\r\n",
        "* 1 EXISTS\r\n* 1 FETCH (BODY[] {3}\r\nab)\r\n"}) {
    ResponseChecker checker;
    EXPECT_FALSE(checker.read(bad)) << bad;
  }
  ResponseChecker checker;
  EXPECT_TRUE(
      checker.read("* 2 EXISTS\r\n* 1 FETCH (BODY[HEADER.FIELDS (A \"(\")]<0> {1}\r\n) UID 3)\r\n"
                   "a OK done\r\n"))
      << checker.problem();
}

}  // namespace
}  // namespace postern::imap::testing

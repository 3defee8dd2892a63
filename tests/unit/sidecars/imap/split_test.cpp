// Whole conversations, fed whole, octet by octet, and split at every octet: the output must be the
// same.
#include <gtest/gtest.h>
#include <string>

#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

namespace postern::imap::testing {
namespace {

void fill(FakeMailStore& store) {
  store.append(store.inbox,
               "Subject: one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\npart "
               "one\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>two</b>\r\n--b--\r\n");
  store.append(store.inbox, "Subject: two\r\nFrom: x@y\r\n\r\n" + std::string(5000, 'x'), 1);
  store.append(store.inbox, "Subject: three\r\n\r\n", 8);
  store.add_folder("Archive/2024");
}

std::string run(std::string_view script, auto feed) {
  FakeMailStore store;
  fill(store);
  SessionDriver driver(store);
  driver.open();
  feed(driver, script);
  return driver.take();
}

constexpr std::string_view kScripts[] = {
    "a LOGIN {4}\r\nuser {6+}\r\nsecret\r\nb SELECT inbox\r\nc FETCH 1:* (FLAGS BODY[])\r\nd "
    "NOOP\r\n",
    "a AUTHENTICATE PLAIN\r\nAHVzZXIAc2VjcmV0\r\nb EXAMINE INBOX\r\nc UID FETCH 1:* (ENVELOPE "
    "BODYSTRUCTURE BODY.PEEK[2.MIME] BODY.PEEK[HEADER.FIELDS (\"Subject\" {4}\r\nFrom)]<3.9>)\r\n",
    "a LOGIN user secret\r\nb SELECT INBOX\r\nc IDLE\r\nDONE\r\nd STORE 1 +FLAGS ($x \\Deleted)\r\n"
    "e SEARCH CHARSET UTF-8 OR SUBJECT {3}\r\ntwo BODY \"part\"\r\nf EXPUNGE\r\ng LOGOUT\r\n",
    "a NOOP x\r\nb {3}\r\nabc\r\n+ NOOP\r\n\r\nc LOGIN user {99999+}\r\nxx",
    "a LOGIN user secret\r\nb LIST \"\" {1}\r\n*\r\nc STATUS Archive/2024 (MESSAGES)\r\nd APPEND "
    "INBOX "
    "{5+}\r\nhello\r\ne ID (\"name\" \"x\")\r\nf CLOSE\r\ng SELECT INBOX\r\nh CLOSE\r\ni "
    "LOGOUT\r\n",
};

TEST(ImapSplitTest, EverySplitGivesTheSameOutput) {
  for (const std::string_view script : kScripts) {
    const std::string whole =
        run(script, [](SessionDriver& driver, std::string_view text) { driver.send(text); });
    EXPECT_NE(whole.find("\r\n"), std::string::npos);
    for (std::size_t split = 1; split < script.size(); ++split) {
      ASSERT_EQ(run(script,
                    [split](SessionDriver& driver, std::string_view text) {
                      driver.send(text.substr(0, split));
                      driver.send(text.substr(split));
                    }),
                whole)
          << "split at " << split << " of " << script;
    }
    EXPECT_EQ(run(script,
                  [](SessionDriver& driver, std::string_view text) {
                    for (const char octet : text) driver.send(std::string_view(&octet, 1));
                  }),
              whole)
        << script;
  }
}

TEST(ImapSplitTest, EndOfInputAnywhereIsSafe) {
  for (const std::string_view script : kScripts) {
    for (std::size_t end = 0; end < script.size(); ++end) {
      FakeMailStore store;
      fill(store);
      SessionDriver driver(store);
      driver.open();
      driver.send(script.substr(0, end));
      if (!driver.closed) driver.end_of_input();
      ASSERT_TRUE(driver.closed);
    }
  }
}

TEST(ImapSplitTest, RepliesAndOutputMayWaitAnywhere) {
  for (const std::string_view script : kScripts) {
    const std::string whole =
        run(script, [](SessionDriver& driver, std::string_view text) { driver.send(text); });
    const std::string slow = run(script, [](SessionDriver& driver, std::string_view text) {
      driver.hold_replies(true);
      driver.hold_output(true);
      driver.send(text);
      for (int turn = 0; turn < 1000; ++turn) {
        if (driver.holds_request()) driver.answer_held();
        driver.send_output();
      }
    });
    EXPECT_EQ(slow, whole) << script;
  }
}

}  // namespace
}  // namespace postern::imap::testing

// Greeting, capabilities, login, TLS, states, timers and the end of a session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecars/imap/command_table.hpp"
#include "sidecars/imap/limits.hpp"
#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

namespace postern::imap::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

struct ImapSessionTest : ::testing::Test {
  FakeMailStore store;
};

std::shared_ptr<const ImapProfile> profile_with(auto change) {
  ImapProfile profile = *make_profile();
  change(profile);
  return std::make_shared<const ImapProfile>(std::move(profile));
}

TEST_F(ImapSessionTest, GreetsWithCapabilities) {
  SessionDriver driver(store);
  driver.open(false);
  EXPECT_EQ(
      driver.take(),
      "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ENABLE ID IDLE NAMESPACE CHILDREN UNSELECT "
      "UIDPLUS STATUS=SIZE STARTTLS LOGINDISABLED] mail.example.org IMAP4rev1 server is "
      "ready\r\n");
}

TEST_F(ImapSessionTest, ExchangeBehaviourSendsCapabilitiesOnlyOnRequest) {
  SessionDriver driver(store, make_profile(Behaviour::exchange));
  driver.open();
  EXPECT_EQ(driver.take(), "* OK mail.example.org IMAP4rev1 server is ready\r\n");
  EXPECT_THAT(driver.talk("a CAPABILITY\r\n"), StartsWith("* CAPABILITY IMAP4rev1 "));
  EXPECT_EQ(driver.talk("b LOGIN user secret\r\n"), "b OK Logged in\r\n");
}

TEST_F(ImapSessionTest, CapabilitiesFollowTlsAndLogin) {
  SessionDriver driver(store);
  driver.open();
  EXPECT_THAT(driver.take(), HasSubstr(" AUTH=PLAIN]"));
  const std::string answer = driver.talk("a CAPABILITY\r\n");
  EXPECT_THAT(answer, Not(HasSubstr("LOGINDISABLED")));
  EXPECT_THAT(answer, Not(HasSubstr("STARTTLS")));
  EXPECT_THAT(driver.talk("b LOGIN user secret\r\n"), Not(HasSubstr("AUTH=")));
}

TEST_F(ImapSessionTest, PlaintextLoginNeedsTlsOrTheSetting) {
  SessionDriver driver(store);
  driver.open(false);
  EXPECT_EQ(driver.talk("a LOGIN user secret\r\n"), "a NO [PRIVACYREQUIRED] Use TLS first\r\n");
  EXPECT_THAT(driver.talk("b AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0\r\n"), HasSubstr("b NO [PRIVACY"));
  // The password is refused before it is sent.
  EXPECT_THAT(driver.talk("c LOGIN user {6}\r\n"), HasSubstr("c NO [PRIVACY"));
  EXPECT_EQ(store.requests, 0u);

  SessionDriver open_driver(
      store, profile_with([](ImapProfile& profile) { profile.listener.login_plaintext = true; }));
  open_driver.open(false);
  EXPECT_THAT(open_driver.take(), HasSubstr("AUTH=PLAIN"));
  EXPECT_THAT(open_driver.talk("a LOGIN user secret\r\n"), HasSubstr("a OK"));
}

TEST_F(ImapSessionTest, ListenerThatRequiresTls) {
  SessionDriver driver(store, profile_with([](ImapProfile& profile) {
                         profile.listener.tls = config::TlsMode::required;
                         profile.listener.login_plaintext = true;
                       }));
  driver.open(false);
  EXPECT_THAT(driver.take(), HasSubstr("STARTTLS LOGINDISABLED"));
  EXPECT_THAT(driver.talk("a LOGIN user secret\r\n"), HasSubstr("a NO [PRIVACYREQUIRED]"));
  EXPECT_THAT(driver.talk("b NOOP\r\n"), HasSubstr("b OK"));
}

TEST_F(ImapSessionTest, StarttlsDiscardsWhatWasPipelined) {
  SessionDriver driver(store);
  driver.open(false);
  EXPECT_EQ(driver.talk("a STARTTLS\r\nb LOGIN user secret\r\n"),
            "a OK Begin TLS negotiation now\r\n");
  EXPECT_TRUE(driver.start_tls);
  EXPECT_EQ(driver.session->on_input("c NOOP\r\n", driver.now), 0u);
  driver.tls_done();
  EXPECT_EQ(driver.take(), "");
  EXPECT_THAT(driver.talk("d STARTTLS\r\n"), HasSubstr("d BAD"));
  EXPECT_THAT(driver.talk("e LOGIN user secret\r\n"), HasSubstr("e OK"));
}

TEST_F(ImapSessionTest, StarttlsWithoutCertificate) {
  SessionDriver driver(store,
                       profile_with([](ImapProfile& profile) { profile.tls_available = false; }));
  driver.open(false);
  EXPECT_THAT(driver.take(), Not(HasSubstr("STARTTLS")));
  EXPECT_THAT(driver.talk("a STARTTLS\r\n"), HasSubstr("a NO"));
  EXPECT_FALSE(driver.start_tls);
}

TEST_F(ImapSessionTest, LoginByEveryForm) {
  const std::string_view forms[] = {
      "a LOGIN user secret\r\n",
      "a login \"user\" \"secret\"\r\n",
      "a LOGIN\tuser secret\r\n",
      "a LOGIN {4+}\r\nuser {6+}\r\nsecret\r\n",
      "a LOGIN {4+}\nuser {6+}\nsecret\n",
      "a LOGIN \"us\\er\" secret\r\n",
      "a AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0\r\n",
      "a authenticate plain AHVzZXIAc2VjcmV0\r\n",
  };
  for (const std::string_view form : forms) {
    SessionDriver driver(store);
    driver.open();
    EXPECT_THAT(driver.talk(form), StartsWith("a OK [CAPABILITY IMAP4rev1 ")) << form;
    EXPECT_EQ(driver.session->account(), "user@example.org");
  }
}

TEST_F(ImapSessionTest, SynchronisingLiteralsAreInvited) {
  SessionDriver driver(store);
  driver.open();
  EXPECT_EQ(driver.talk("a LOGIN {4}\r\n"), "+ Ready for the literal\r\n");
  EXPECT_EQ(driver.talk("user {6}\r\n"), "+ Ready for the literal\r\n");
  EXPECT_THAT(driver.talk("secret\r\n"), StartsWith("a OK"));
}

TEST_F(ImapSessionTest, AuthenticateWithContinuation) {
  SessionDriver driver(store);
  driver.open();
  EXPECT_EQ(driver.talk("a AUTHENTICATE PLAIN\r\n"), "+ \r\n");
  EXPECT_THAT(driver.talk("AHVzZXIAc2VjcmV0\r\n"), StartsWith("a OK"));
  EXPECT_THAT(driver.observer.events, ElementsAre("login user@example.org PLAIN"));
}

TEST_F(ImapSessionTest, AuthenticateThatFailsInForm) {
  SessionDriver driver(store);
  driver.open();
  driver.send("a AUTHENTICATE PLAIN\r\n");
  EXPECT_THAT(driver.talk("*\r\n"), StartsWith("a BAD"));
  driver.send("b AUTHENTICATE PLAIN\r\n");
  EXPECT_THAT(driver.talk("not base64!\r\n"), StartsWith("b BAD"));
  EXPECT_THAT(driver.talk("c AUTHENTICATE PLAIN =\r\n"), StartsWith("c BAD"));
  EXPECT_THAT(driver.talk("d AUTHENTICATE LOGIN\r\n"), StartsWith("d NO [CANNOT]"));
  EXPECT_THAT(driver.talk("e AUTHENTICATE ANONYMOUS\r\n"), StartsWith("e NO [CANNOT]"));
  // authzid "other", user "user".
  EXPECT_THAT(driver.talk("f AUTHENTICATE PLAIN b3RoZXIAdXNlcgBzZWNyZXQ=\r\n"),
              StartsWith("f NO [AUTHORIZATIONFAILED]"));
  EXPECT_EQ(store.requests, 0u);
  EXPECT_THAT(driver.talk("g AUTHENTICATE PLAIN\r\n" + std::string(20000, 'A') + "\r\nh NOOP\r\n"),
              HasSubstr("g BAD The line is too long\r\nh OK"));
}

TEST_F(ImapSessionTest, FailedLoginsAreDelayedAndThenDropped) {
  SessionDriver driver(store);
  driver.open();
  driver.take();
  for (int attempt = 1; attempt <= 4; ++attempt) {
    driver.send("a LOGIN user wrong\r\nb NOOP\r\n");
    EXPECT_EQ(driver.take(), "") << attempt;
    driver.advance(kFailedLoginDelay - 1ms);
    EXPECT_EQ(driver.take(), "") << attempt;
    driver.advance(1ms);
    const std::string answer = driver.take();
    if (attempt < 4) {
      EXPECT_EQ(answer,
                "a NO [AUTHENTICATIONFAILED] The user name or the password is wrong\r\n"
                "b OK NOOP completed\r\n");
    } else {
      EXPECT_EQ(answer,
                "* BYE Too many failed logins\r\n"
                "a NO [AUTHENTICATIONFAILED] The user name or the password is wrong\r\n");
    }
    EXPECT_EQ(driver.closed, attempt == 4);
  }
  EXPECT_EQ(driver.observer.events.back(), "end login_failures");
  EXPECT_EQ(driver.observer.events.front(), "failed user LOGIN");
}

TEST_F(ImapSessionTest, LoginsThatCannotBeDecidedAreDelayedAndThenDropped) {
  store.logins_available = false;
  SessionDriver driver(store);
  driver.open();
  driver.take();
  for (int attempt = 1; attempt <= 4; ++attempt) {
    EXPECT_EQ(driver.talk("a LOGIN user secret\r\n"), "") << attempt;
    driver.advance(kFailedLoginDelay);
    EXPECT_THAT(driver.take(), StartsWith(attempt < 4 ? "a NO [UNAVAILABLE]" : "* BYE Too many"));
    EXPECT_EQ(driver.closed, attempt == 4);
  }
  EXPECT_THAT(driver.observer.events, ElementsAre("end login_failures"));
}

TEST_F(ImapSessionTest, UnauthenticatedSessionsEndInTimeWhateverTheySend) {
  SessionDriver driver(store);
  driver.open();
  for (int second = 0; second < 59; ++second) {
    driver.advance(1s);
    driver.send("a NOOP\r\n");
  }
  EXPECT_FALSE(driver.closed);
  driver.take();
  driver.advance(1s);
  EXPECT_TRUE(driver.closed);
  EXPECT_THAT(driver.take(), StartsWith("* BYE "));
  EXPECT_THAT(driver.observer.events, ElementsAre("end login_timeout"));
}

TEST_F(ImapSessionTest, InactivityLogsOut) {
  SessionDriver driver(store);
  driver.log_in();
  driver.advance(29min);
  driver.send("a NOOP\r\n");
  driver.advance(29min);
  EXPECT_FALSE(driver.closed);
  driver.take();
  driver.advance(1min);
  EXPECT_TRUE(driver.closed);
  EXPECT_THAT(driver.take(), StartsWith("* BYE Autologout"));
  EXPECT_THAT(driver.observer.events, ElementsAre("end inactivity"));
}

TEST_F(ImapSessionTest, LogoutSaysByeFirst) {
  SessionDriver driver(store);
  driver.log_in();
  EXPECT_EQ(driver.talk("a LOGOUT\r\nb NOOP\r\n"),
            "* BYE Logging out\r\na OK LOGOUT completed\r\n");
  EXPECT_TRUE(driver.closed);
  EXPECT_THAT(driver.observer.events, ElementsAre("end logout"));
}

TEST_F(ImapSessionTest, ShutdownFinishesTheCommandFirst) {
  SessionDriver driver(store);
  driver.log_in();
  driver.hold_replies(true);
  driver.send("a NOOP\r\n");
  driver.shut_down();
  EXPECT_FALSE(driver.closed);
  driver.answer_held();
  EXPECT_EQ(driver.take(), "a OK NOOP completed\r\n* BYE The server is shutting down\r\n");
  EXPECT_TRUE(driver.closed);

  SessionDriver idle(store);
  idle.log_in();
  idle.send("a IDLE\r\n");
  idle.take();
  idle.shut_down();
  EXPECT_EQ(idle.take(), "* BYE The server is shutting down\r\n");
  EXPECT_TRUE(idle.closed);
}

TEST_F(ImapSessionTest, EndOfInputFinishesTheCommand) {
  SessionDriver driver(store);
  driver.log_in();
  driver.hold_replies(true);
  driver.send("a STATUS INBOX (MESSAGES)\r\n");
  driver.end_of_input();
  EXPECT_FALSE(driver.closed);
  driver.hold_replies(false);
  driver.answer_held();
  EXPECT_THAT(driver.take(), HasSubstr("a OK STATUS"));
  EXPECT_TRUE(driver.closed);
  SessionDriver other(store);
  other.open();
  other.end_of_input();
  EXPECT_TRUE(other.closed);
  EXPECT_THAT(other.observer.events, ElementsAre("end client_closed"));
}

TEST_F(ImapSessionTest, CommandsAreRefusedInTheWrongState) {
  SessionDriver driver(store);
  driver.open();
  driver.take();
  for (const CommandSpec& spec : all_commands()) {
    if ((spec.states & kNotAuthenticated) != 0) continue;
    SessionDriver fresh(store);
    fresh.open();
    EXPECT_EQ(fresh.talk("a " + std::string(spec.name) + " x\r\n").substr(0, 6), "a BAD ")
        << spec.name;
  }
  driver.send("a LOGIN user secret\r\n");
  for (const CommandSpec& spec : all_commands()) {
    if ((spec.states & kAuthenticated) != 0) continue;
    EXPECT_EQ(driver.talk("a " + std::string(spec.name) + " 1 x\r\n").substr(0, 6), "a BAD ")
        << spec.name;
  }
}

TEST_F(ImapSessionTest, MalformedCommandsAreToldAndBounded) {
  SessionDriver driver(store);
  driver.log_in("");
  EXPECT_EQ(driver.talk("\r\n"), "");
  EXPECT_THAT(driver.talk("a\r\n"), StartsWith("a BAD"));
  EXPECT_THAT(driver.talk("+ NOOP\r\n"), StartsWith("* BAD"));
  EXPECT_THAT(driver.talk(" NOOP\r\n"), StartsWith("* BAD"));
  EXPECT_THAT(driver.talk("a XYZZY\r\n"), StartsWith("a BAD"));
  EXPECT_THAT(driver.talk("a NOOP x\r\n"), StartsWith("a BAD"));
  EXPECT_THAT(driver.talk("a STATUS  INBOX (MESSAGES)\r\n"), StartsWith("a BAD"));
  EXPECT_THAT(driver.talk("a STATUS INBOX  (MESSAGES)\r\n"), StartsWith("a BAD"));
  EXPECT_THAT(driver.talk("a STATUS INBOX\t(MESSAGES)\r\n"), StartsWith("a BAD"));
  EXPECT_THAT(driver.talk("a STATUS\tINBOX (MESSAGES)\r\n"), StartsWith("* STATUS"));
  EXPECT_THAT(driver.talk(std::string("a\xff NOOP\r\n")), StartsWith("* BAD"));
  // The same tag again is fine (IMAP-07), and so are odd ones.
  EXPECT_EQ(driver.talk("a NOOP\r\na NOOP\r\n"), "a OK NOOP completed\r\na OK NOOP completed\r\n");
  EXPECT_EQ(driver.talk("%.(x){*+\\ NOOP\r\n"), "%.(x){*+\\ OK NOOP completed\r\n");
}

TEST_F(ImapSessionTest, TooManyBadCommandsEndTheSession) {
  SessionDriver driver(store);
  driver.open();
  for (std::uint32_t count = 0; count < kBadCommandsMaxAnonymous; ++count) {
    EXPECT_FALSE(driver.closed);
    driver.send("GET / HTTP/1.1\r\n");
  }
  EXPECT_TRUE(driver.closed);
  EXPECT_THAT(driver.observer.events, ElementsAre("end protocol_errors"));
}

TEST_F(ImapSessionTest, LongCommandsAreRefusedWithoutBuffering) {
  SessionDriver driver(store);
  driver.log_in("");
  const std::string line = "a STATUS " + std::string(100000, 'x') + " (MESSAGES)\r\nb NOOP\r\n";
  EXPECT_EQ(driver.talk(line), "a BAD The command is too long\r\nb OK NOOP completed\r\n");
  EXPECT_EQ(driver.talk("c SELECT {70000}\r\nd NOOP\r\n"),
            "c BAD [TOOBIG] The literal is too large\r\nd OK NOOP completed\r\n");
  const std::string literal(70000, 'x');
  EXPECT_EQ(driver.talk("e SELECT {70000+}\r\n" + literal + "\r\nf NOOP\r\n"),
            "e BAD [TOOBIG] The literal is too large\r\nf OK NOOP completed\r\n");
  EXPECT_THAT(driver.talk("g SELECT {99999999999999999999+}\r\n"), StartsWith("g BAD [TOOBIG]"));
  const std::string piece(1 << 20, 'x');
  for (int count = 0; count < 70 && !driver.closed; ++count) driver.send(piece);
  EXPECT_TRUE(driver.closed);
  EXPECT_THAT(driver.take(), HasSubstr("* BYE"));
}

TEST_F(ImapSessionTest, StrangersGetLessRoom) {
  SessionDriver driver(store);
  driver.open();
  EXPECT_THAT(driver.talk("a LOGIN user {9000}\r\n"), StartsWith("a BAD [TOOBIG]"));
  EXPECT_THAT(driver.talk("a LOGIN user " + std::string(9000, 'x') + "\r\n"),
              StartsWith("a BAD The command is too long"));
}

TEST_F(ImapSessionTest, FolderChangesAreClearlyNotAvailable) {
  SessionDriver driver(store);
  driver.log_in();
  store.append(store.inbox, "x");
  for (const std::string_view command :
       {"CREATE box", "DELETE box", "SUBSCRIBE box", "UNSUBSCRIBE \"a b\"", "RENAME a b",
        "COPY 1 box", "MOVE 1 box", "UID COPY 1 box", "UID MOVE 1:* box"}) {
    EXPECT_THAT(driver.talk("a " + std::string(command) + "\r\n"), StartsWith("a NO [CANNOT]"))
        << command;
  }
  EXPECT_THAT(driver.talk("a CREATE\r\n"), StartsWith("a BAD"));
  EXPECT_THAT(driver.talk("a RENAME a\r\n"), StartsWith("a BAD"));
  EXPECT_EQ(driver.talk("a APPEND INBOX {10}\r\nb NOOP\r\n").find("a NO [CANNOT]"), 0u);
  EXPECT_EQ(driver.talk("a APPEND INBOX (\\Seen) {4+}\r\nb N\n\r\nc NOOP\r\n"),
            "a NO [CANNOT] The command is not available\r\nc OK NOOP completed\r\n");
}

TEST_F(ImapSessionTest, IdAndEnableAndNamespace) {
  SessionDriver driver(store);
  driver.log_in("");
  EXPECT_EQ(driver.talk("a ID NIL\r\n"),
            "* ID (\"name\" \"Postern\" \"version\" \"1.2\")\r\na OK ID completed\r\n");
  EXPECT_THAT(driver.talk("a ID (\"name\" \"x\" \"os\" NIL)\r\n"), HasSubstr("a OK"));
  EXPECT_THAT(driver.talk("a ID ()\r\n"), HasSubstr("a OK"));
  EXPECT_THAT(driver.talk("a ID (\"name\")\r\n"), HasSubstr("a BAD"));
  std::string many = "a ID (";
  for (int index = 0; index < 31; ++index) many += "\"k\" \"v\" ";
  EXPECT_THAT(driver.talk(many + "\"k\" \"v\")\r\n"), HasSubstr("a BAD"));
  EXPECT_EQ(driver.talk("a ENABLE CONDSTORE X\r\n"), "* ENABLED\r\na OK ENABLE completed\r\n");
  EXPECT_THAT(driver.talk("a ENABLE\r\n"), HasSubstr("a BAD"));
  EXPECT_EQ(driver.talk("a NAMESPACE\r\n"),
            "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\na OK NAMESPACE completed\r\n");
}

TEST_F(ImapSessionTest, PipelinedCommandsAreAnsweredInOrder) {
  store.append(store.inbox, "Subject: x\r\n\r\nbody");
  SessionDriver driver(store);
  driver.open();
  driver.take();
  const std::string answer = driver.talk(
      "1 LOGIN user secret\r\n2 SELECT INBOX\r\n3 FETCH 1 (FLAGS)\r\n4 NOOP\r\n5 LOGOUT\r\n");
  std::size_t before = 0;
  for (const std::string_view tagged : {"1 OK", "2 OK", "3 OK", "4 OK", "5 OK"}) {
    const std::size_t found = answer.find(tagged);
    ASSERT_NE(found, std::string::npos) << tagged;
    EXPECT_GE(found, before);
    before = found;
  }
}

}  // namespace
}  // namespace postern::imap::testing

// Greeting, CAPA, STLS, USER/PASS, AUTH.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace postern::pop3::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct AuthorizationTest : testing::Test {
  AuthorizationTest() { store.add("Subject: x\r\n\r\nhi\r\n"); }
  FakeMailStore store;
};

constexpr std::string_view kWelcome = "+OK maildrop has 1 messages (18 octets)\r\n";
constexpr std::string_view kWrong = "-ERR [AUTH] wrong user name or password\r\n";

Pop3Profile tls_only_profile() {
  Pop3Profile profile = open_profile();
  profile.listener.login_plaintext = false;
  return profile;
}

TEST_F(AuthorizationTest, GreetingNamesTheHostAndOffersNoApop) {  // POP-18
  Pop3Driver driver(store);
  const std::string greeting = driver.take_output();
  EXPECT_EQ(greeting, "+OK mail.example.org POP3 server ready\r\n");
  EXPECT_THAT(greeting, Not(HasSubstr("<")));
  EXPECT_EQ(driver.ask("APOP anna c4c9334bac560ecc979e58001b3e22fb\r\n"),
            "-ERR unknown command\r\n");
}

TEST_F(AuthorizationTest, UserAndPass) {
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("USER anna@example.org\r\n"), "+OK send the password\r\n");
  EXPECT_EQ(driver.ask("PASS s3cret pass\r\n"), kWelcome);
  EXPECT_THAT(driver.observer.logins, ElementsAre("USER:anna@example.org"));
  EXPECT_EQ(driver.session().watched(), FakeMailStore::kInbox);
}

TEST_F(AuthorizationTest, PasswordIsTheRestOfTheLine) {  // POP-01, POP-17
  Pop3Driver driver(store);
  driver.ask("user \t anna@example.org\t \r\npass\t \ta b\t c \t\r\n");
  ASSERT_EQ(store.logins.size(), 1u);
  EXPECT_EQ(store.logins[0].user, "anna@example.org");
  EXPECT_EQ(store.logins[0].password, " \ta b\t c \t");
}

TEST_F(AuthorizationTest, UserIsAcceptedWhetherOrNotItExists) {  // POP-16
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("USER nobody\r\n"), driver.ask("USER anna@example.org\r\n"));
  EXPECT_TRUE(store.logins.empty());
}

TEST_F(AuthorizationTest, UnknownUserAndWrongPasswordLookAlike) {
  Pop3Driver driver(store);
  const std::string unknown = driver.ask("USER nobody\r\nPASS x\r\n");
  EXPECT_EQ(unknown, driver.ask("USER anna@example.org\r\nPASS x\r\n"));
  EXPECT_THAT(driver.observer.failures, ElementsAre("USER:nobody", "USER:anna@example.org"));
}

TEST_F(AuthorizationTest, PassNeedsUserEachTime) {
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("PASS s3cret pass\r\n"), "-ERR send USER first\r\n");
  driver.ask("USER anna@example.org\r\nPASS wrong\r\n");
  EXPECT_EQ(driver.ask("PASS s3cret pass\r\n"), "-ERR send USER first\r\n");
}

TEST_F(AuthorizationTest, PlaintextNeedsTls) {  // POP-16
  Pop3Driver driver(store, tls_only_profile());
  EXPECT_THAT(driver.ask("USER anna@example.org\r\n"),
              StartsWith("-ERR plaintext login needs TLS"));
  EXPECT_THAT(driver.ask("PASS s3cret pass\r\n"), StartsWith("-ERR"));
  EXPECT_THAT(driver.ask("AUTH PLAIN AGEAYg==\r\n"), StartsWith("-ERR login needs TLS"));
  EXPECT_THAT(driver.ask("AUTH\r\n"), StartsWith("-ERR"));
  EXPECT_TRUE(store.logins.empty());
  EXPECT_EQ(driver.ask("STLS\r\n"), "+OK begin TLS negotiation\r\n");
  driver.login();
  EXPECT_THAT(driver.ask("STAT\r\n"), StartsWith("+OK 1 18"));
}

TEST_F(AuthorizationTest, ImplicitTlsPermitsLogin) {
  Pop3Driver driver(store, tls_only_profile(), true);
  EXPECT_THAT(driver.ask("CAPA\r\n"), Not(HasSubstr("STLS")));
  EXPECT_EQ(driver.ask("STLS\r\n"), "-ERR TLS is already active\r\n");
  EXPECT_EQ(driver.ask("USER anna@example.org\r\nPASS s3cret pass\r\n"),
            "+OK send the password\r\n" + std::string(kWelcome));
}

TEST_F(AuthorizationTest, TlsModeRequiredRefusesAllElse) {
  Pop3Profile profile = open_profile();
  profile.listener.tls = config::TlsMode::required;
  Pop3Driver driver(store, profile);
  for (const char* command : {"USER a", "PASS b", "AUTH PLAIN", "UTF8", "LANG"})
    EXPECT_THAT(driver.ask(std::string(command) + "\r\n"),
                StartsWith("-ERR this server requires TLS"));
  EXPECT_THAT(driver.ask("CAPA\r\n"), Not(HasSubstr("SASL")));
  driver.ask("STLS\r\n");
  EXPECT_THAT(driver.ask("CAPA\r\n"), HasSubstr("SASL PLAIN LOGIN\r\n"));
  EXPECT_THAT(driver.ask("QUIT\r\n"), StartsWith("+OK"));
}

TEST_F(AuthorizationTest, StlsDiscardsWhatWasSentInTheClear) {
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("USER anna@example.org\r\nSTLS\r\nPASS s3cret pass\r\nSTAT\r\n"),
            "+OK send the password\r\n+OK begin TLS negotiation\r\n");
  EXPECT_EQ(driver.tls_handshakes, 1);
  EXPECT_TRUE(store.logins.empty());
  // The user name said in the clear is forgotten as well (RFC 2595 section 4).
  EXPECT_EQ(driver.ask("PASS s3cret pass\r\n"), "-ERR send USER first\r\n");
}

TEST_F(AuthorizationTest, NothingIsReadDuringTheHandshake) {
  Pop3Driver driver(store);
  driver.auto_tls = false;
  driver.ask("STLS\r\n");
  EXPECT_EQ(driver.ask("NOOP\r\n"), "");
  EXPECT_EQ(driver.kept_octets(), 6u);
}

TEST_F(AuthorizationTest, StlsIsRefusedWhereItCannotWork) {
  Pop3Profile no_certificate = open_profile();
  no_certificate.tls_available = false;
  Pop3Profile off = open_profile();
  off.listener.tls = config::TlsMode::none;
  for (const auto& profile : {no_certificate, off}) {
    Pop3Driver driver(store, profile);
    EXPECT_EQ(driver.ask("STLS\r\n"), "-ERR TLS is not available here\r\n");
    EXPECT_THAT(driver.ask("CAPA\r\n"), Not(HasSubstr("STLS")));
  }
}

TEST_F(AuthorizationTest, CapaListsWhatWorks) {  // POP-22
  Pop3Driver driver(store);
  const std::string common =
      "+OK capabilities follow\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
      "EXPIRE NEVER\r\nIMPLEMENTATION Postern\r\nUTF8\r\nLANG\r\n";
  EXPECT_EQ(driver.ask("CAPA\r\n"), common + "USER\r\nSASL PLAIN LOGIN\r\nSTLS\r\n.\r\n");
  driver.login();
  EXPECT_EQ(driver.ask("CAPA\r\n"), common + "USER\r\nSASL PLAIN LOGIN\r\n.\r\n");
  Pop3Driver strict(store, tls_only_profile());
  EXPECT_EQ(strict.ask("CAPA\r\n"), common + "STLS\r\n.\r\n");
}

TEST_F(AuthorizationTest, SmallCommandLimitKeepsCapa) {
  // POP-02, E0007: CAPA stays. RFC 2449 section 4 wants 255 octets then, and gets them ...
  Pop3Profile profile = open_profile();
  profile.settings.command_octets_max = 40;
  const std::string longest = "USER " + std::string(248, 'u') + "\r\n";
  ASSERT_EQ(longest.size(), 255u);
  Pop3Driver driver(store, profile);
  EXPECT_THAT(driver.ask("CAPA\r\n"), StartsWith("+OK"));
  EXPECT_THAT(driver.ask(longest), StartsWith("+OK"));
  EXPECT_EQ(driver.ask("USER u" + longest.substr(5)), "-ERR line too long\r\n");
  // ... unless the profile asks for what Exchange does.
  profile.exact_command_limit = true;
  Pop3Driver exact(store, profile);
  EXPECT_THAT(exact.ask("CAPA\r\n"), StartsWith("+OK"));
  EXPECT_THAT(exact.ask("USER " + std::string(33, 'u') + "\r\n"), StartsWith("+OK"));
  EXPECT_EQ(exact.ask("USER " + std::string(34, 'u') + "\r\n"), "-ERR line too long\r\n");
}

TEST_F(AuthorizationTest, AuthPlain) {
  // NUL anna@example.org NUL s3cret pass
  const std::string response = "AGFubmFAZXhhbXBsZS5vcmcAczNjcmV0IHBhc3M=";
  {
    Pop3Driver driver(store);
    EXPECT_EQ(driver.ask("AUTH PLAIN " + response + "\r\n"), kWelcome);
    EXPECT_THAT(driver.observer.logins, ElementsAre("PLAIN:anna@example.org"));
  }
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("auth\tplain\r\n"), "+ \r\n");
  EXPECT_EQ(driver.ask(response + "\r\n"), kWelcome);
}

TEST_F(AuthorizationTest, AuthPlainFailures) {
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("AUTH PLAIN AGFubmEAeA==\r\n"), kWrong);  // NUL anna NUL x
  EXPECT_THAT(driver.ask("AUTH PLAIN not*base64\r\n"), StartsWith("-ERR the initial response"));
  EXPECT_THAT(driver.ask("AUTH PLAIN =\r\n"), StartsWith("-ERR malformed"));
  EXPECT_THAT(driver.ask("AUTH PLAIN YWJj\r\n"), StartsWith("-ERR malformed"));
  EXPECT_THAT(driver.ask("AUTH PLAIN\r\n???\r\n"), HasSubstr("-ERR the response is not base64"));
  EXPECT_EQ(driver.ask("AUTH PLAIN\r\n*\r\n"), "+ \r\n-ERR authentication cancelled\r\n");
  EXPECT_THAT(driver.ask("AUTH CRAM-MD5\r\n"), StartsWith("-ERR mechanism not supported"));
  EXPECT_EQ(store.logins.size(), 1u);
  EXPECT_FALSE(driver.closed);
}

TEST_F(AuthorizationTest, ActingAsSomebodyElseIsRefusedLikeAWrongPassword) {
  Pop3Driver driver(store);
  // bob NUL anna@example.org NUL s3cret pass
  EXPECT_EQ(driver.ask("AUTH PLAIN Ym9iAGFubmFAZXhhbXBsZS5vcmcAczNjcmV0IHBhc3M=\r\n"), kWrong);
  EXPECT_TRUE(store.logins.empty());
  EXPECT_EQ(driver.observer.failures.size(), 1u);
}

TEST_F(AuthorizationTest, AuthLogin) {  // EXT-01
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("AUTH LOGIN\r\n"), "+ VXNlcm5hbWU6\r\n");
  EXPECT_EQ(driver.ask("YW5uYUBleGFtcGxlLm9yZw==\r\n"), "+ UGFzc3dvcmQ6\r\n");
  EXPECT_EQ(driver.ask("czNjcmV0IHBhc3M=\r\n"), kWelcome);
  EXPECT_THAT(driver.observer.logins, ElementsAre("LOGIN:anna@example.org"));
  Pop3Driver initial(store);
  EXPECT_EQ(initial.ask("AUTH LOGIN YW5uYUBleGFtcGxlLm9yZw==\r\n"), "+ UGFzc3dvcmQ6\r\n");
  EXPECT_EQ(initial.ask("czNjcmV0IHBhc3M=\r\n"), kWelcome);
}

TEST_F(AuthorizationTest, AuthAloneListsTheMechanisms) {
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("AUTH\r\n"), "+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n");
}

TEST_F(AuthorizationTest, ResponsesMayBeLongerThanCommands) {  // RFC 5034 section 4
  Pop3Driver driver(store);
  const std::string longer(1200, 'A');  // base64 of 900 NULs
  EXPECT_THAT(driver.ask("AUTH PLAIN\r\n" + longer + "\r\n"), HasSubstr("malformed"));
  EXPECT_EQ(driver.ask("AUTH PLAIN " + longer + "\r\n"), "-ERR line too long\r\n");
  EXPECT_THAT(driver.ask("AUTH PLAIN\r\n" + std::string(13'000, 'A') + "\r\nCAPA\r\n"),
              StartsWith("+ \r\n-ERR line too long\r\n+OK capabilities"));
}

TEST_F(AuthorizationTest, FailedLoginsWaitAndThenEndTheSession) {
  Pop3Profile profile = open_profile();
  profile.failed_login_delay = std::chrono::seconds{2};
  Pop3Driver driver(store, profile);
  const std::string attempt = "USER anna@example.org\r\nPASS no\r\n";
  for (int failures = 1; failures <= 3; ++failures) {
    EXPECT_EQ(driver.ask(attempt + "CAPA\r\n"), "+OK send the password\r\n");
    EXPECT_EQ(driver.observer.failures.size(), static_cast<std::size_t>(failures));
    driver.advance(std::chrono::milliseconds{1999});
    EXPECT_EQ(driver.take_output(), "");
    EXPECT_EQ(driver.kept_octets(), 6u);
    driver.advance(std::chrono::milliseconds{1});
    const std::string answer = driver.take_output();
    if (failures < 3) {
      EXPECT_THAT(answer, StartsWith(std::string(kWrong) + "+OK capabilities"));
    } else {
      EXPECT_EQ(answer, "-ERR [AUTH] wrong user name or password, closing connection\r\n");
    }
  }
  EXPECT_TRUE(driver.closed);
  ASSERT_EQ(driver.observer.ends.size(), 1u);
  EXPECT_EQ(driver.observer.ends[0].reason, EndReason::logon_failures);
}

TEST_F(AuthorizationTest, ZeroAllowsAnyNumberOfFailures) {
  Pop3Profile profile = open_profile();
  profile.settings.logon_failures_max = 0;
  Pop3Driver driver(store, profile);
  for (int i = 0; i < 50; ++i) driver.feed("USER a\r\nPASS b\r\n");
  EXPECT_FALSE(driver.closed);
}

TEST_F(AuthorizationTest, StoreTroubleIsTemporaryAndNotReportedAsAFailure) {  // POP-08
  Pop3Driver driver(store);
  store.logins_unavailable = true;
  EXPECT_THAT(driver.ask("USER anna@example.org\r\nPASS s3cret pass\r\n"),
              HasSubstr("-ERR [SYS/TEMP] logins"));
  store.logins_unavailable = false;
  store.snapshot_error = ErrorCode::unavailable;
  EXPECT_THAT(driver.ask("USER anna@example.org\r\nPASS s3cret pass\r\n"),
              HasSubstr("-ERR [SYS/TEMP] the maildrop"));
  EXPECT_EQ(driver.session().watched(), std::nullopt);
  EXPECT_TRUE(driver.observer.logins.empty());
  EXPECT_TRUE(driver.observer.failures.empty());
  store.snapshot_error.reset();
  driver.login();
  EXPECT_EQ(driver.ask("STAT\r\n"), "+OK 1 18\r\n");
}

// Every PASS begins login_timeout anew: only the count ends a session that asks and asks.
TEST_F(AuthorizationTest, LoginsThatCannotBeDecidedWaitAndThenEndTheSession) {
  Pop3Profile profile = open_profile();
  profile.failed_login_delay = std::chrono::seconds{2};
  Pop3Driver driver(store, profile);
  store.logins_unavailable = true;
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(driver.ask("USER anna@example.org\r\nPASS s3cret pass\r\n"),
              "+OK send the password\r\n");
    driver.advance(std::chrono::milliseconds{1999});
    EXPECT_EQ(driver.take_output(), "") << attempt;
    driver.advance(std::chrono::milliseconds{1});
    EXPECT_EQ(driver.take_output(),
              attempt < 3 ? "-ERR [SYS/TEMP] logins are not possible at the moment\r\n"
                          : "-ERR [SYS/TEMP] logins are not possible at the moment, closing "
                            "connection\r\n");
  }
  EXPECT_TRUE(driver.closed);
  ASSERT_EQ(driver.observer.ends.size(), 1u);
  EXPECT_EQ(driver.observer.ends[0].reason, EndReason::logon_failures);
  EXPECT_TRUE(driver.observer.failures.empty()) << "nobody knows whether it was wrong";
}

TEST_F(AuthorizationTest, LangAndUtf8) {  // RFC 6856
  Pop3Driver driver(store);
  EXPECT_EQ(driver.ask("UTF8\r\n"), "+OK UTF8 enabled\r\n");
  EXPECT_EQ(driver.ask("LANG\r\n"),
            "+OK language listing follows\r\ni-default Default language (English)\r\n"
            "en English\r\n.\r\n");
  EXPECT_EQ(driver.ask("LANG EN-gb\r\n"), "+OK en language changed\r\n");
  EXPECT_EQ(driver.ask("LANG *\r\n"), "+OK i-default language changed\r\n");
  EXPECT_THAT(driver.ask("LANG fr\r\n"), StartsWith("-ERR"));
  EXPECT_THAT(driver.ask("LANG english\r\n"), StartsWith("-ERR"));
  driver.login();
  EXPECT_THAT(driver.ask("LANG en\r\n"), StartsWith("+OK en "));
  EXPECT_EQ(driver.ask("UTF8\r\n"), "-ERR already logged in\r\n");
}

TEST_F(AuthorizationTest, TransactionCommandsNeedALogin) {  // POP-07
  Pop3Driver driver(store);
  for (const char* command :
       {"STAT", "LIST", "LIST 1", "RETR 1", "DELE 1", "NOOP", "RSET", "TOP 1 0", "UIDL", "UIDL 1"})
    EXPECT_EQ(driver.ask(std::string(command) + "\r\n"), "-ERR log in first\r\n") << command;
  EXPECT_EQ(store.requests, 0u);
}

TEST_F(AuthorizationTest, AuthorizationCommandsAreOverAfterLogin) {
  Pop3Driver driver(store);
  driver.login();
  for (const char* command : {"USER a", "PASS b", "AUTH PLAIN", "AUTH", "STLS", "UTF8"})
    EXPECT_EQ(driver.ask(std::string(command) + "\r\n"), "-ERR already logged in\r\n") << command;
}

}  // namespace
}  // namespace postern::pop3::test

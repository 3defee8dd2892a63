#include "deploy/cli/up/announce.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deploy/cli/up/demo_config.hpp"

namespace postern::cli::up {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_for(const DemoOptions& options, const std::string& folder = "/s") {
  const StateFolder state{folder, {}};
  const config::Settings settings = demo_settings(state, options);
  return announcement_text({.settings = settings,
                            .state_path = folder,
                            .authority = folder + "/ca.pem",
                            .password_file = folder + "/demo-password",
                            .config_file = folder + "/postern.toml",
                            .program = "/b/postern"});
}

TEST(Announcement, NamesEveryListenerAndCommand) {
  const std::string text = text_for({});
  for (const char* address :
       {"127.0.0.1:2025", "127.0.0.1:2587", "127.0.0.1:2465", "127.0.0.1:2110", "127.0.0.1:2995",
        "127.0.0.1:2143", "127.0.0.1:2993"}) {
    EXPECT_THAT(text, HasSubstr(address));
  }
  EXPECT_THAT(text, HasSubstr("swaks --server 127.0.0.1:2025 --from friend@example.org --to "
                              "demo@postern.test"));
  EXPECT_THAT(text, HasSubstr("--cacert /s/ca.pem"));
  EXPECT_THAT(text, HasSubstr("'imaps://127.0.0.1:2993/INBOX;MAILINDEX=1'"));
  EXPECT_THAT(text, HasSubstr("'pop3s://127.0.0.1:2995/1'"));
  EXPECT_THAT(text, HasSubstr("/b/postern --config /s/postern.toml queue list"));
}

TEST(Announcement, CommandsReachWildcardsByLoopback) {
  EXPECT_THAT(text_for({.listen = "0.0.0.0"}), HasSubstr("smtps://127.0.0.1:2465"));
  EXPECT_THAT(text_for({.listen = "::"}), HasSubstr("smtps://[::1]:2465"));
}

TEST(Announcement, QuotesFoldersForTheShell) {
  EXPECT_THAT(text_for({}, "/my mail/it's"), HasSubstr("--cacert '/my mail/it'\\''s/ca.pem'"));
}

TEST(Announcement, JsonHoldsTheSameFacts) {
  const StateFolder state{"/s", {}};
  const config::Settings settings = demo_settings(state, {.port_base = 3000});
  const auto json = announcement_json({.settings = settings,
                                       .state_path = "/s",
                                       .authority = "",
                                       .password_file = "/s/demo-password",
                                       .config_file = "/s/postern.toml",
                                       .program = "p"});
  EXPECT_EQ(json["user"], "demo@postern.test");
  ASSERT_EQ(json["listeners"].size(), 7u);
  EXPECT_EQ(json["listeners"][2]["addresses"][0], "127.0.0.1:3465");
  EXPECT_EQ(json["listeners"][2]["tls"], "implicit");
}

}  // namespace
}  // namespace postern::cli::up

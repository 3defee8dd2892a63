#include "deploy/cli/up/demo_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/config/load.hpp"
#include "tests/unit/cli/temporary_folder.hpp"

namespace postern::cli::up {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct DemoConfigTest : testing::Test {
  TemporaryFolder folder;
  StateFolder state{folder.path(), {}};
  DemoOptions options;

  DemoConfig ensured() {
    auto out = plan_config(state, options);
    EXPECT_TRUE(out) << config::describe(out.error());
    if (!out) return {};
    const auto written = write_config(state, *out);
    EXPECT_TRUE(written) << written.error().message;
    EXPECT_EQ(config::parse(folder.read("postern.toml"), folder.file("postern.toml")),
              out->settings);
    return *out;
  }
  void replace(const std::string& from, const std::string& to) {
    std::string text = folder.read("postern.toml");
    const std::size_t at = text.find(from);
    ASSERT_NE(at, text.npos) << from;
    folder.write("postern.toml", text.replace(at, from.size(), to));
  }
};

std::vector<std::string> addresses(const config::Settings& s) {
  std::vector<std::string> out;
  for (const auto& listener : s.gateway.listeners) out.push_back(listener.addresses.front());
  for (const auto& listener : s.pop3.listeners) out.push_back(listener.addresses.front());
  for (const auto& listener : s.imap.listeners) out.push_back(listener.addresses.front());
  return out;
}

TEST_F(DemoConfigTest, IsWrittenOnceWithTheWellKnownPortsMoved) {
  const DemoConfig first = ensured();
  EXPECT_TRUE(first.is_new);
  EXPECT_THAT(addresses(first.settings),
              ElementsAre("127.0.0.1:2025", "127.0.0.1:2587", "127.0.0.1:2465", "127.0.0.1:2110",
                          "127.0.0.1:2995", "127.0.0.1:2143", "127.0.0.1:2993"));
  EXPECT_EQ(first.settings.state, folder.path());
  EXPECT_EQ(first.settings.tls.key, folder.file("key.pem"));
  const std::string text = folder.read("postern.toml");
  const DemoConfig second = ensured();
  EXPECT_FALSE(second.is_new);
  EXPECT_EQ(second.text, "");
  EXPECT_EQ(folder.read("postern.toml"), text);
}

TEST_F(DemoConfigTest, TheUsersChangesStayWhenThePortsMove) {
  ensured();
  replace("recipients_max = 200", "recipients_max = 7");
  EXPECT_EQ(ensured().text, "");
  options.port_base = 3000;
  options.listen = "::1";
  const DemoConfig moved = ensured();
  EXPECT_NE(moved.text, "");
  EXPECT_THAT(addresses(moved.settings),
              ElementsAre("[::1]:3025", "[::1]:3587", "[::1]:3465", "[::1]:3110", "[::1]:3995",
                          "[::1]:3143", "[::1]:3993"));
  EXPECT_EQ(moved.settings.gateway.listeners[0].recipients_max, 7u);
  EXPECT_THAT(folder.read("postern.toml.bak"), HasSubstr("127.0.0.1:2025"));
}

TEST_F(DemoConfigTest, AListenerOfTheUsersOwnStays) {
  ensured();
  folder.write("postern.toml", folder.read("postern.toml") +
                                   "[[imap.listener]]\nname = \"mine\"\naddresses = "
                                   "[\"127.0.0.1:4143\"]\n");
  options.port_base = 3000;
  const DemoConfig moved = ensured();
  ASSERT_EQ(moved.settings.imap.listeners.size(), 3u);
  EXPECT_THAT(moved.settings.imap.listeners[2].addresses, ElementsAre("127.0.0.1:4143"));
}

TEST_F(DemoConfigTest, FollowsItsFolder) {
  ensured();
  replace("state = \"" + folder.path() + "\"", "state = \"/former/place\"");
  const DemoConfig moved = ensured();
  EXPECT_NE(moved.text, "");
  EXPECT_EQ(moved.settings.state, folder.path());
}

TEST_F(DemoConfigTest, ACertificateOfTheUsersOwnStays) {
  ensured();
  folder.write("mine.pem", "x");
  replace("certificate = \"" + folder.file("cert.pem"),
          "certificate = \"" + folder.file("mine.pem"));
  EXPECT_EQ(ensured().settings.tls.certificate, folder.file("mine.pem"));
}

TEST_F(DemoConfigTest, ABrokenFileIsNamedAndNotReplaced) {
  folder.write("postern.toml", "profil = \"modern\"\n");
  const auto out = plan_config(state, options);
  ASSERT_FALSE(out);
  EXPECT_THAT(config::describe(out.error()), HasSubstr("postern.toml:1:1: profil: is not a known"));
  EXPECT_EQ(folder.read("postern.toml"), "profil = \"modern\"\n");
}

TEST_F(DemoConfigTest, AFolderTooDeepForASocketIsNamed) {
  state.path = folder.path() + "/" + std::string(100, 'd');
  std::filesystem::create_directory(state.path);
  const auto out = plan_config(state, options);
  ASSERT_FALSE(out);
  EXPECT_THAT(config::describe(out.error()), HasSubstr("choose a shorter state folder"));
}

}  // namespace
}  // namespace postern::cli::up

// Every kind of problem that the reader finds, with the exact place.
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/config/reader.hpp"
#include "store/config/load.hpp"

namespace postern::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> problems_of(std::string_view text) {
  const LoadResult loaded = parse(text, "/etc/p.toml");
  std::vector<std::string> out;
  if (loaded) return out;
  EXPECT_FALSE(loaded.error().empty());
  for (const ConfigProblem& problem : loaded.error()) out.push_back(describe(problem));
  return out;
}

TEST(Problems, UnknownKeyNamesTheNearest) {
  EXPECT_THAT(problems_of("[runtime]\n  coers = 4\n"),
              ElementsAre("/etc/p.toml:2:3: runtime.coers: is not a known key; did you mean "
                          "cores?"));
  EXPECT_THAT(problems_of("host-name = \"a\"\n"),
              ElementsAre("/etc/p.toml:1:1: host-name: is not a known key; did you mean "
                          "hostname?"));
}

TEST(Problems, UnknownKeyThatIsNearNothingListsWhatIsKnown) {
  EXPECT_THAT(problems_of("[log]\nzzzzzzzz = 4\n"),
              ElementsAre("/etc/p.toml:2:1: log.zzzzzzzz: is not a known key; known here: level, "
                          "format"));
}

TEST(Problems, UnknownTable) {
  EXPECT_THAT(problems_of("[runtme]\ncores = 4\n"),
              ElementsAre("/etc/p.toml:1:2: runtme: is not a known key; did you mean runtime?"));
}

TEST(Problems, UnknownKeyInAListener) {
  EXPECT_THAT(problems_of("[[pop3.listener]]\naddresses = [\"127.0.0.1:1\"]\ntsl = \"none\"\n"),
              ElementsAre("/etc/p.toml:3:1: pop3.listener.tsl: is not a known key; did you mean "
                          "tls?"));
}

TEST(Problems, WrongTypes) {
  EXPECT_THAT(
      problems_of("hostname = 5\n"
                  "[runtime]\n"
                  "cores = \"four\"\n"
                  "worker_threads = true\n"
                  "drain_timeout = 1.5\n"
                  "[[gateway.listener]]\n"
                  "addresses = \"127.0.0.1:2025\"\n"
                  "auth = \"yes\"\n"
                  "tls = 1\n"),
      ElementsAre(
          AllOf(StartsWith("/etc/p.toml:1:12: hostname: must be a string, is a whole number; "
                           "write for example: hostname = \"")),
          "/etc/p.toml:3:9: runtime.cores: \"four\" is not a whole number without quotes; write "
          "for example: cores = 0",
          "/etc/p.toml:4:18: runtime.worker_threads: must be a whole number, is true or false; "
          "write for example: worker_threads = 0",
          "/etc/p.toml:5:17: runtime.drain_timeout: must be a duration, is a fractional number; "
          "write for example: drain_timeout = \"30s\"",
          StartsWith("/etc/p.toml:7:13: gateway.listener.addresses: must be a list of strings, is "
                     "a string; write for example: "),
          "/etc/p.toml:9:7: gateway.listener.tls: must be a string, is a whole number; write for "
          "example: tls = \"starttls\"",
          "/etc/p.toml:8:8: gateway.listener.auth: must be true or false, is a string; write for "
          "example: auth = false"));
}

TEST(Problems, TableWhereAValueStands) {
  EXPECT_THAT(problems_of("runtime = 5\n"),
              ElementsAre("/etc/p.toml:1:11: runtime: must be a table, is a whole number; write "
                          "[runtime] on a line of its own and its keys below"));
}

TEST(Problems, ListenerWithSingleBrackets) {
  EXPECT_THAT(problems_of("[imap.listener]\naddresses = [\"127.0.0.1:1\"]\n"),
              ElementsAre("/etc/p.toml:1:1: imap.listener: must be an array of tables, is a "
                          "table; write [[imap.listener]] with two brackets on each side"));
}

TEST(Problems, OutOfRange) {
  EXPECT_THAT(
      problems_of("[runtime]\n"
                  "cores = 5000\n"
                  "receive_buffer_octets = \"2MiB\"\n"
                  "drain_timeout = \"2h\"\n"
                  "worker_threads = -1\n"
                  "[pop3]\n"
                  "command_octets_max = 39\n"
                  "[store]\n"
                  "disk_free_min_octets = 5\n"),
      ElementsAre(
          "/etc/p.toml:2:9: runtime.cores: is 5000, allowed is 0 to 1024; write for "
          "example: cores = 0",
          "/etc/p.toml:5:18: runtime.worker_threads: is -1, allowed is 0 to 1024; write "
          "for example: worker_threads = 0",
          "/etc/p.toml:3:25: runtime.receive_buffer_octets: is 2MiB, allowed is 1KiB to "
          "1MiB; write for example: receive_buffer_octets = \"16KiB\"",
          "/etc/p.toml:4:17: runtime.drain_timeout: is 2h, allowed is 0 to 1h; write for "
          "example: drain_timeout = \"30s\"",
          "/etc/p.toml:9:24: store.disk_free_min_octets: is 5B, allowed is 1MiB to 1024TiB, "
          "or 0 (no limit); write for example: disk_free_min_octets = \"512MiB\"",
          "/etc/p.toml:7:22: pop3.command_octets_max: is 39B, allowed is 40B to 1KiB; "
          "write for example: command_octets_max = \"512B\""));
}

TEST(Problems, UnitsThatAreNone) {
  EXPECT_THAT(
      problems_of("[store]\nmemory_budget_octets = \"36MB\"\n[imap]\nlogin_timeout = \"soon\"\n"),
      ElementsAre(
          "/etc/p.toml:2:24: store.memory_budget_octets: \"36MB\" is not a size: a whole number "
          "of octets or a string with the unit B, KiB, MiB, GiB or TiB; write for example: "
          "memory_budget_octets = \"512MiB\"",
          "/etc/p.toml:4:17: imap.login_timeout: \"soon\" is not a duration: a whole number of "
          "seconds or a string with the unit s, min, h or d; write for example: login_timeout = "
          "\"1min\""));
}

TEST(Problems, UnlimitedOnlyWhereALimitCanBeOff) {
  EXPECT_THAT(problems_of("[imap]\ncommand_octets_max = \"unlimited\"\n"),
              ElementsAre(HasSubstr("/etc/p.toml:2:22: imap.command_octets_max: \"unlimited\" is "
                                    "not a size")));
  EXPECT_THAT(problems_of("[imap]\nlogon_failures_max = \"unlimited\"\n"), ElementsAre());
  // What can be switched off is not without a limit then.
  EXPECT_THAT(problems_of("[runtime]\nspin_us = \"off\"\n[pop3]\nlogin_delay = \"off\"\n"),
              ElementsAre());
  EXPECT_THAT(problems_of("[pop3]\nlogin_delay = \"unlimited\"\n"),
              ElementsAre(HasSubstr(
                  "/etc/p.toml:2:15: pop3.login_delay: \"unlimited\" is not a duration")));
  EXPECT_THAT(problems_of("[pop3]\nlogin_delay = \"2d\"\n"),
              ElementsAre(HasSubstr("is 2d, allowed is 1s to 1d, or 0 (off)")));
}

TEST(Problems, WordThatIsNotAllowed) {
  EXPECT_THAT(problems_of("profile = \"exchnage\"\n[log]\nlevel = \"blah\"\n"),
              ElementsAre("/etc/p.toml:1:11: profile: is \"exchnage\", allowed is one of modern, "
                          "exchange; did you mean \"exchange\"?",
                          "/etc/p.toml:3:9: log.level: is \"blah\", allowed is one of error, warn, "
                          "info, debug; write for example: level = \"info\""));
}

TEST(Problems, DuplicateKeyIsASyntaxErrorWithItsLine) {
  const LoadResult loaded = parse("[log]\nlevel = \"info\"\nlevel = \"debug\"\n", "p.toml");
  ASSERT_FALSE(loaded);
  ASSERT_EQ(loaded.error().size(), 1u);
  EXPECT_EQ(loaded.error()[0].line, 3u);
  EXPECT_THAT(loaded.error()[0].what, HasSubstr("level"));
  EXPECT_THAT(loaded.error()[0].remedy, HasSubstr("mend this line"));
}

TEST(Problems, NotToml) {
  const LoadResult loaded = parse("profile = \"modern\"\nthis is not toml\n", "p.toml");
  ASSERT_FALSE(loaded);
  ASSERT_EQ(loaded.error().size(), 1u);
  EXPECT_EQ(loaded.error()[0].line, 2u);
  EXPECT_THAT(describe(loaded.error()[0]), HasSubstr("is not valid TOML"));
}

TEST(Problems, HostileInputIsAProblemAndNothingWorse) {
  std::string nested = "x = ";
  nested.append(100'000, '[');
  EXPECT_EQ(problems_of(nested).size(), 1u);
  EXPECT_EQ(problems_of(std::string("\0\x01\xff\xfe", 4)).size(), 1u);
  EXPECT_EQ(problems_of("a = \"\xff\"").size(), 1u);
  EXPECT_EQ(problems_of(std::string(100'000, 'k') + " = 1").size(), 1u);
}

TEST(Problems, AllAreReportedInTheOrderOfTheFile) {
  const LoadResult loaded = parse(
      "nonsense = 1\n[imap]\nlogin_timeout = 0\n[pop3]\nlogin_timeout = 0\n[runtime]\ncores = -1\n",
      "p.toml");
  ASSERT_FALSE(loaded);
  ASSERT_EQ(loaded.error().size(), 4u);
  const std::string all = describe(loaded.error());
  EXPECT_LT(all.find("p.toml:1:"), all.find("p.toml:3:"));
  EXPECT_LT(all.find("p.toml:3:"), all.find("p.toml:5:"));
  EXPECT_LT(all.find("p.toml:5:"), all.find("p.toml:7:"));
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 4);
}

TEST(Problems, FileThatIsNotThere) {
  const LoadResult loaded = load("/nonexistent/postern.toml");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(describe(loaded.error()),
            "/nonexistent/postern.toml: cannot be read: No such file or directory; name the file "
            "with --config; an empty file will do, every setting has a default\n");
}

TEST(Problems, FileThatIsAFolder) {
  const LoadResult loaded = load("/");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(describe(loaded.error()), HasSubstr("Is a directory"));
}

TEST(Problems, FileThatIsTooLarge) {
  std::string path = testing::TempDir() + "postern-config-XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::ftruncate(fd, static_cast<off_t>(kConfigFileOctetsMax) + 1), 0);
  ::close(fd);
  const LoadResult loaded = load(path);
  ::unlink(path.c_str());
  ASSERT_FALSE(loaded);
  EXPECT_THAT(describe(loaded.error()), HasSubstr("it is larger than 4MiB"));
}

TEST(NearestName, IgnoresCaseAndDashes) {
  const std::vector<std::string> known = {"connection_timeout", "inactivity_timeout", "tls"};
  EXPECT_EQ(nearest_name("Connection-Timeout", known), "connection_timeout");
  EXPECT_EQ(nearest_name("inactivty_timeout", known), "inactivity_timeout");
  EXPECT_EQ(nearest_name("tsl", known), "tls");
  EXPECT_EQ(nearest_name("completely_else", known), "");
  EXPECT_EQ(nearest_name(std::string(100'000, 'x'), known), "");
}

}  // namespace
}  // namespace postern::config

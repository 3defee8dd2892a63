#include "deploy/cli/up/state_folder.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/cli/temporary_folder.hpp"

namespace postern::cli::up {
namespace {

using testing::HasSubstr;

unsigned mode_of(const std::string& path) {
  struct stat facts{};
  EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
  return facts.st_mode & 07777;
}

TEST(StateFolder, IsCreatedForItsOwnerOnly) {
  const TemporaryFolder folder;
  const auto state = open_state_folder(folder.file("a/b/state/"));
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->path, folder.file("a/b/state"));
  EXPECT_EQ(mode_of(state->path), 0700u);
}

TEST(StateFolder, ASecondUpIsRefusedAndNamesTheFirst) {
  const TemporaryFolder folder;
  {
    const auto first = open_state_folder(folder.file("state"));
    ASSERT_TRUE(first);
    const auto second = open_state_folder(folder.file("state"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::already_exists);
    EXPECT_THAT(second.error().message,
                HasSubstr(fmt::format("another postern up (process {}) runs on", ::getpid())));
  }
  EXPECT_TRUE(open_state_folder(folder.file("state"))) << "the lock goes with its holder";
}

TEST(StateFolder, AFolderOfSomebodyElseIsRefused) {
  const TemporaryFolder folder;
  folder.write("thesis.tex", "years of work");
  const auto state = open_state_folder(folder.path());
  ASSERT_FALSE(state);
  EXPECT_THAT(state.error().message, HasSubstr("neither empty nor a state folder"));
  EXPECT_EQ(::access(folder.file("up.lock").c_str(), F_OK), -1);
}

TEST(StateFolder, AFileIsNoFolder) {
  const TemporaryFolder folder;
  folder.write("file", "");
  EXPECT_THAT(open_state_folder(folder.file("file")).error().message, HasSubstr("not a folder"));
  EXPECT_THAT(open_state_folder(folder.file("file/below")).error().message,
              HasSubstr("cannot create the state folder"));
  EXPECT_FALSE(open_state_folder(""));
}

TEST(WriteFile, ReplacesWholeAndSetsTheMode) {
  const TemporaryFolder folder;
  ::umask(0077);
  ASSERT_TRUE(write_file(folder.file("f"), "one", 0644));
  EXPECT_EQ(mode_of(folder.file("f")), 0644u);
  ASSERT_TRUE(write_file(folder.file("f"), "two", 0600));
  EXPECT_EQ(mode_of(folder.file("f")), 0600u);
  EXPECT_EQ(folder.read("f"), "two");
  EXPECT_EQ(::access(folder.file("f.new").c_str(), F_OK), -1);
  const auto failed = write_file(folder.file("no/such/folder"), "x", 0600);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace postern::cli::up

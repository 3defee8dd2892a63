// The supervisor with bash as the program: "$1" is the descriptor behind --ready-fd.
#include "deploy/cli/up/supervisor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/cli/temporary_folder.hpp"

namespace postern::cli::up {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using Outcome = Supervisor::Outcome;

// Far beyond what anything here takes: a hang fails instead of lasting for ever.
constexpr seconds kLong{30};

struct SupervisorTest : testing::Test {
  TemporaryFolder folder;

  Program script(const std::string& name, const std::string& text, bool stops_last = false) {
    return Program{.name = name,
                   .path = "/bin/bash",
                   .arguments = {"-c", "cd " + folder.path() + "; " + text},
                   .log_path = folder.file(name + ".log"),
                   .stops_last = stops_last};
  }
};

constexpr const char* kServe = "trap 'exit 0' TERM; echo ready >&$1; while :; do sleep 0.05; done";

TEST_F(SupervisorTest, WaitsForTheLine) {
  Supervisor supervisor(kLong);
  const auto index = supervisor.start(script("a", kServe));
  ASSERT_TRUE(index);
  EXPECT_EQ(supervisor.wait_ready(*index, kLong), Outcome::ready);
  EXPECT_TRUE(supervisor.shut_down());
}

TEST_F(SupervisorTest, ReportsAnEarlyEndWithItsLog) {
  Supervisor supervisor(kLong);
  folder.write("a.log", "of an earlier run\n");
  const auto index = supervisor.start(script("a", "echo 'io_uring is forbidden' >&2; exit 78"));
  ASSERT_TRUE(index);
  EXPECT_EQ(supervisor.wait_ready(*index, kLong), Outcome::exited);
  EXPECT_EQ(supervisor.exit_code(*index), 78);
  EXPECT_EQ(supervisor.exit_text(*index), "exit code 78");
  EXPECT_EQ(supervisor.log_tail(*index), "io_uring is forbidden");
}

TEST_F(SupervisorTest, ShowsTheLastLinesOfALongLog) {
  Supervisor supervisor(kLong);
  const auto index = supervisor.start(script("a", "seq 1 100000; exit 1"));
  ASSERT_TRUE(index);
  EXPECT_EQ(supervisor.wait_ready(*index, kLong), Outcome::exited);
  const std::string tail = supervisor.log_tail(*index);
  EXPECT_TRUE(tail.starts_with("99986\n")) << tail;
  EXPECT_TRUE(tail.ends_with("\n100000")) << tail;
}

TEST_F(SupervisorTest, NamesTheSignal) {
  Supervisor supervisor(kLong);
  const auto index = supervisor.start(script("a", "kill -SEGV $$"));
  ASSERT_TRUE(index);
  EXPECT_EQ(supervisor.wait_ready(*index, kLong), Outcome::exited);
  EXPECT_EQ(supervisor.exit_code(*index), std::nullopt);
  EXPECT_THAT(supervisor.exit_text(*index), HasSubstr("signal 11"));
}

TEST_F(SupervisorTest, ClosingTheDescriptorIsNotReady) {
  Supervisor supervisor(kLong);
  const auto index = supervisor.start(script("a",
                                             "exec {fd}>&$1; eval \"exec $1>&-\"; exec "
                                             "{fd}>&-; sleep 20"));
  ASSERT_TRUE(index);
  EXPECT_EQ(supervisor.wait_ready(*index, std::chrono::milliseconds(300)), Outcome::timeout);
}

TEST_F(SupervisorTest, AMissingExecutableEndsAtOnce) {
  Supervisor supervisor(kLong);
  Program program = script("a", "");
  program.path = folder.file("nothing");
  const auto index = supervisor.start(program);
  ASSERT_TRUE(index);
  EXPECT_EQ(supervisor.wait_ready(*index, kLong), Outcome::exited);
  EXPECT_EQ(supervisor.log_tail(*index), "cannot be executed");
}

TEST_F(SupervisorTest, RestartsWhatDiesUntilAskedToStop) {
  Supervisor supervisor(kLong);
  // Dies by a signal after its first start; after the second it asks its parent to stop.
  const auto index = supervisor.start(
      script("a",
             "echo x >> starts; echo ready >&$1; "
             "if [ $(wc -l < starts) = 1 ]; then sleep 0.2; kill -KILL $$; fi; "
             "trap 'exit 0' TERM; kill -TERM $PPID; while :; do sleep 0.05; done"));
  ASSERT_TRUE(index);
  ASSERT_EQ(supervisor.wait_ready(*index, kLong), Outcome::ready);
  supervisor.run();
  EXPECT_TRUE(supervisor.shut_down());
  EXPECT_EQ(folder.read("starts"), "x\nx\n");
}

TEST_F(SupervisorTest, StopsTheGatewayAfterTheSidecars) {
  Supervisor supervisor(kLong);
  const auto serve = [](const std::string& name, const std::string& pause) {
    return "trap 'sleep " + pause + "; echo " + name +
           " >> order; exit 0' TERM; echo ready >&$1; "
           "while :; do sleep 0.05; done";
  };
  const auto gateway = supervisor.start(script("gateway", serve("gateway", "0"), true));
  const auto sidecar = supervisor.start(script("sidecar", serve("sidecar", "0.3")));
  ASSERT_EQ(supervisor.wait_ready(*gateway, kLong), Outcome::ready);
  ASSERT_EQ(supervisor.wait_ready(*sidecar, kLong), Outcome::ready);
  EXPECT_TRUE(supervisor.shut_down());
  EXPECT_EQ(folder.read("order"), "sidecar\ngateway\n");
}

TEST_F(SupervisorTest, KillsWhatDoesNotEndInTime) {
  Supervisor supervisor(seconds(1));
  const auto index =
      supervisor.start(script("a", "trap '' TERM; echo ready >&$1; while :; do sleep 0.05; done"));
  ASSERT_EQ(supervisor.wait_ready(*index, kLong), Outcome::ready);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(supervisor.shut_down());
  const auto taken = std::chrono::steady_clock::now() - before;
  EXPECT_GE(taken, seconds(1));
  EXPECT_LT(taken, seconds(10));
  EXPECT_THAT(supervisor.exit_text(*index), HasSubstr("signal 9"));
}

TEST_F(SupervisorTest, ASecondRequestKillsAtOnce) {
  Supervisor supervisor(kLong);
  const auto index =
      supervisor.start(script("a",
                              "trap 'kill -TERM $PPID' TERM; echo ready >&$1; kill -TERM $PPID; "
                              "while :; do sleep 0.05; done"));
  ASSERT_EQ(supervisor.wait_ready(*index, kLong), Outcome::ready);
  supervisor.run();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(supervisor.shut_down());
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(10));
  EXPECT_THAT(supervisor.exit_text(*index), HasSubstr("signal 9"));
}

TEST_F(SupervisorTest, AskingToStopEndsTheWait) {
  Supervisor supervisor(kLong);
  const auto index = supervisor.start(script("a", "kill -TERM $PPID; sleep 20"));
  EXPECT_EQ(supervisor.wait_ready(*index, kLong), Outcome::stopped);
}

}  // namespace
}  // namespace postern::cli::up

// What is left after the process is killed: a child commits and says what was acknowledged, the
// parent kills it at a random moment and looks.
#include <chrono>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <random>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "store/engine_open.hpp"
#include "tests/unit/store/engine_harness.hpp"
#include "tests/unit/store/power_loss_env.hpp"

namespace postern::store::testing {
namespace {

constexpr std::size_t kMailboxes = 3;

/// One line of the child's ledger: message `number` of `round` was acknowledged, or uid expunged.
struct Entry {
  std::uint32_t round = 0;
  std::uint32_t number = 0;
  std::uint32_t expunged = 0;
};

/// Writes every acknowledgement into a pipe before anything else happens with it.
class LedgerSink final : public CompletionSink {
 public:
  LedgerSink(int pipe, std::uint32_t round) : pipe_(pipe), round_(round) {}
  void complete(std::uint32_t, SpoolRequest** requests, std::size_t count) override {
    for (std::size_t i = 0; i < count; ++i) {
      if (requests[i]->last && requests[i]->outcome == SpoolOutcome::durable) {
        const Entry entry{round_, static_cast<std::uint32_t>(std::stoul(requests[i]->id)), 0};
        if (::write(pipe_, &entry, sizeof entry) != sizeof entry) ::_exit(3);
      }
      completed_.fetch_add(1);
    }
  }
  std::uint64_t completed() const { return completed_.load(); }

 private:
  int pipe_;
  std::uint32_t round_;
  std::atomic<std::uint64_t> completed_{0};
};

std::string text_of(std::uint32_t round, std::uint32_t number) {
  std::string text =
      "round " + std::to_string(round) + " message " + std::to_string(number) + "\r\n";
  // Some are large, so that the kill finds bodies of several chunks.
  text.append(number % 50 == 7 ? kBodyChunkOctets * 2 : number % 3000, 'x');
  return text;
}

// How the parent tells the child what to do.
constexpr const char* kPathVariable = "STORE_CRASH_PATH";
constexpr const char* kPipeVariable = "STORE_CRASH_PIPE";
constexpr const char* kRoundVariable = "STORE_CRASH_ROUND";
constexpr const char* kPowerVariable = "STORE_CRASH_POWER_LOSS";

/// The mailboxes of the accounts, which both processes know in the same order.
std::vector<MailboxId> inboxes_of(const Engine& engine) {
  std::vector<MailboxId> inboxes;
  for (const Account* account : engine.directory()->accounts()) inboxes.push_back(account->inbox);
  return inboxes;
}

/// The child: delivers until it is killed. Some messages are streamed and left unfinished, some
/// expunged.
[[noreturn]] void run_child(const std::string& path, int pipe, std::uint32_t round) {
  LedgerSink sink(pipe, round);
  const auto power_loss = power_loss_env();
  const bool loses_power = std::getenv(kPowerVariable) != nullptr;
  auto opened = open_engine({.path = path, .body_memtable_octets = 1 << 20}, sink,
                            loses_power ? power_loss.get() : nullptr);
  if (!opened) ::_exit(2);
  Engine& engine = **opened;
  const std::vector<MailboxId> inboxes = inboxes_of(engine);
  if (inboxes.size() != kMailboxes) ::_exit(5);
  std::vector<std::unique_ptr<SpoolRequest>> requests;
  for (std::uint32_t number = 1;; ++number) {
    std::vector<MailboxId> to = {inboxes[number % kMailboxes]};
    if (number % 5 == 0) to.push_back(inboxes[(number + 1) % kMailboxes]);
    auto request = make_message(to, text_of(round, number));
    request->id = std::to_string(number);
    if (number % 20 == 13) {  // a stream without an end
      MessageBody body;
      body.append(std::string(kBodyChunkOctets, 's'));
      request->segment = body.take_full_chunks();
      request->last = false;
    }
    requests.push_back(std::move(request));
    while (!engine.submit(requests.back().get())) std::this_thread::yield();
    if (number % 40 == 0) {
      engine.apply(Mutation{.key_high = round,
                            .key_low = number,
                            .body = Expunge{.mailbox = inboxes[0],
                                            .uids = {{1, number / 20}},
                                            .only_deleted = false}},
                   [&, pipe](Result<MutationReply> reply) {
                     if (!reply) ::_exit(4);
                     const Entry entry{round, 0, reply->changed_count};
                     if (::write(pipe, &entry, sizeof entry) != sizeof entry) ::_exit(3);
                   });
    }
    while (requests.size() - sink.completed() > 100) std::this_thread::yield();
  }
}

/// Not a test: the child's program. A plain fork would lack RocksDB's background threads.
TEST(EngineCrashChild, DISABLED_Run) {
  const char* path = std::getenv(kPathVariable);
  if (path == nullptr) GTEST_SKIP() << "only started by EngineCrash";
  run_child(path, std::atoi(std::getenv(kPipeVariable)),
            static_cast<std::uint32_t>(std::atoi(std::getenv(kRoundVariable))));
}

enum class Crash { killed, power_lost };

pid_t start_child(const std::string& path, int pipe, std::uint32_t round, Crash crash) {
  const std::string variables[] = {crash == Crash::power_lost ? std::string(kPowerVariable) + "=1"
                                                              : std::string("STORE_CRASH_KILL=1"),
                                   std::string(kPathVariable) + "=" + path,
                                   std::string(kPipeVariable) + "=" + std::to_string(pipe),
                                   std::string(kRoundVariable) + "=" + std::to_string(round)};
  std::vector<char*> environment;
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  for (const std::string& one : variables) environment.push_back(const_cast<char*>(one.c_str()));
  environment.push_back(nullptr);
  const char* arguments[] = {"/proc/self/exe", "--gtest_filter=EngineCrashChild.DISABLED_Run",
                             "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr};
  pid_t child = -1;
  EXPECT_EQ(::posix_spawn(&child, arguments[0], nullptr, nullptr,
                          const_cast<char* const*>(arguments), environment.data()),
            0);
  return child;
}

class EngineCrash : public ::testing::TestWithParam<Crash> {};

INSTANTIATE_TEST_SUITE_P(, EngineCrash, ::testing::Values(Crash::killed, Crash::power_lost),
                         [](const auto& one) {
                           return one.param == Crash::killed ? "Killed" : "PowerLost";
                         });

TEST_P(EngineCrash, WhatWasAcknowledgedIsThereExactlyOnce) {
  TempDir dir;
  std::vector<MailboxId> inboxes;
  {
    EngineUnderTest store(dir.path());
    for (std::size_t i = 0; i < kMailboxes; ++i) {
      inboxes.push_back(store.add_user("u" + std::to_string(i) + "@example.net"));
    }
  }
  std::random_device seed_source;
  const auto seed = seed_source();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::set<std::string> acknowledged;
  std::size_t expunged_acknowledged = 0;
  std::uint64_t restored = 0;
  for (std::uint32_t round = 1; round <= 20; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    ASSERT_EQ(::fcntl(pipe[0], F_SETFD, FD_CLOEXEC), 0);
    const pid_t child = start_child(dir.path(), pipe[1], round, GetParam());
    ASSERT_GT(child, 0);
    ::close(pipe[1]);
    // Every fourth child is killed at a random time after its start, which may be during recovery;
    // the others at a random time after their first acknowledgement.
    std::promise<void> started;
    const bool early = round % 4 == 0;
    std::thread killer([&, wait = std::chrono::milliseconds(random() % 300)] {
      if (!early) started.get_future().wait();
      std::this_thread::sleep_for(wait);
      ::kill(child, SIGKILL);
    });
    bool first = true;
    Entry entry;
    while (::read(pipe[0], &entry, sizeof entry) == sizeof entry) {
      if (std::exchange(first, false)) started.set_value();
      if (entry.expunged > 0) {
        expunged_acknowledged += entry.expunged;
      } else if (entry.number > 0) {
        acknowledged.insert(text_of(entry.round, entry.number));
      }
    }
    ::close(pipe[0]);
    if (first) started.set_value();
    killer.join();
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
    // Opening repairs; closing leaves the store as it should be.
    {
      EngineUnderTest repaired(dir.path());
      restored += repaired.engine().stats().messages_restored;
    }
    const StoreContents contents = read_store(dir.path());
    expect_consistent(contents);
    if (HasFailure()) FAIL() << "round " << round;
  }
  EXPECT_GT(acknowledged.size(), 100u) << "the children did work";
  // Rows are written without an fsync, so a power loss must have taken some.
  if (GetParam() == Crash::power_lost) {
    EXPECT_GT(restored, 0u);
  }
  {
    EngineUnderTest drain(dir.path());
  }

  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  std::size_t expunged = 0;
  std::map<std::pair<MailboxId, std::string>, int> copies;
  std::set<std::string> present;
  for (const MailboxId inbox : inboxes) {
    const auto& mailbox = contents.mailboxes.at(inbox);
    expunged += mailbox.expunged.size();
    for (const auto& [uid, message] : mailbox.messages) {
      const std::string& text = contents.bodies.at(message.body);
      EXPECT_EQ((++copies[{inbox, text}]), 1) << "twice in one mailbox";
      present.insert(text);
    }
    EXPECT_EQ(mailbox.messages.size() + mailbox.expunged.size(), mailbox.head.uid_next - 1);
  }
  EXPECT_GE(expunged, expunged_acknowledged);
  std::size_t missing = 0;
  for (const std::string& text : acknowledged) missing += present.contains(text) ? 0 : 1;
  // An acknowledged message may only be missing because it was expunged.
  EXPECT_LE(missing, expunged);
  for (const auto& [uid, message] : contents.mailboxes.at(inboxes[1]).messages) {
    acknowledged.erase(contents.bodies.at(message.body));
  }
  for (const auto& [uid, message] : contents.mailboxes.at(inboxes[2]).messages) {
    acknowledged.erase(contents.bodies.at(message.body));
  }
  // Nothing is expunged from the other two mailboxes: what is left must belong to the first alone.
  for (const std::string& text : acknowledged) {
    const auto number = std::stoul(text.substr(text.find("message ") + 8));
    EXPECT_EQ(number % kMailboxes, 0u) << "lost: " << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace postern::store::testing

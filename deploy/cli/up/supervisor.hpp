// Starts processes, waits until they are ready, restarts what dies, and stops them in order. One
// thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "runtime/result.hpp"
#include "runtime/unique_fd.hpp"

namespace postern::cli::up {

/// A program to keep running. It is started with `--ready-fd N` behind its arguments and writes a
/// line there once it listens.
struct Program {
  std::string name;                    ///< for messages: "postern-imap"
  std::string path;                    ///< the executable
  std::vector<std::string> arguments;  ///< without the program's name
  std::string log_path;                ///< standard output and error go there, appended
  bool stops_last = false;             ///< told to stop after the others have ended
};

/// Owns its processes: they are in process groups of their own (a Ctrl-C of the terminal reaches
/// only the supervisor, which then stops them in order) and get SIGTERM should the supervisor
/// vanish.
class Supervisor {
 public:
  enum class Outcome {
    ready,    ///< it listens
    exited,   ///< it ended before it was ready
    stopped,  ///< the user asked to stop
    timeout,  ///< it lives and is not ready
  };

  /// Takes over SIGCHLD, SIGTERM, SIGINT and SIGHUP of this process. `stop_timeout`: how long a
  /// process may take to end after SIGTERM before it is killed.
  explicit Supervisor(std::chrono::seconds stop_timeout);
  ~Supervisor();  // kills what still runs
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Starts a program; it is not restarted before run(). Gives its index.
  Result<std::size_t> start(Program program);
  /// Waits for the program to be ready.
  Outcome wait_ready(std::size_t index, std::chrono::milliseconds timeout);
  /// How an exited program ended: "exit code 1", "signal 11 (Segmentation fault)".
  std::string exit_text(std::size_t index) const;
  /// Its exit code; nullopt if a signal ended it or it runs.
  std::optional<int> exit_code(std::size_t index) const;
  /// The last lines that the program wrote since it was started, for the user.
  std::string log_tail(std::size_t index) const;

  /// Keeps everything running until the user asks to stop.
  void run();
  /// Stops everything: SIGTERM, then SIGKILL after the timeout or when the user asks again. true:
  /// all ended by themselves with exit code 0.
  bool shut_down();

 private:
  using Clock = std::chrono::steady_clock;

  struct Child {
    Program program;
    pid_t pid = -1;  // -1: not running
    UniqueFd ready_fd;
    bool ready = false;
    int wait_status = 0;  // of the last end
    off_t log_start = 0;  // size of the log when it was started
    Clock::time_point started;
    Clock::time_point restart_at;
    std::chrono::milliseconds backoff{0};
  };

  Result<void> spawn(Child& child);
  void turn(std::chrono::milliseconds timeout);
  void read_signals();
  void reap();
  void on_exit(Child& child, int wait_status);
  void on_ready_fd(Child& child);
  void restart_due();
  std::chrono::milliseconds until_next_restart() const;
  bool stop_group(bool last_group);

  const std::chrono::seconds stop_timeout_;
  UniqueFd signal_fd_;
  std::vector<Child> children_;
  bool restarting_ = false;  // within run()
  int stop_requests_ = 0;
};

}  // namespace postern::cli::up

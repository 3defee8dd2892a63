#include "deploy/cli/up/supervisor.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/assert.hpp"

namespace postern::cli::up {
namespace {

using std::chrono::milliseconds;

// The first restart comes at once for people; a program that cannot start must not eat a core.
constexpr milliseconds kBackoffFirst{500};
constexpr milliseconds kBackoffMax{30'000};
// Who lived this long did not die of its start: the backoff begins anew.
constexpr std::chrono::seconds kStableAfter{60};
// What fits on a screen under a message.
constexpr std::size_t kLogTailLines = 15;
constexpr std::size_t kLogTailOctets = 8192;
// At start a log beyond this is set aside as *.old: a demo folder does not grow without end.
constexpr off_t kLogOctetsMax = 16 << 20;

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
  return set;
}

std::string describe_status(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

/// Between fork and exec in the child: async-signal-safe calls only. Does not return.
[[noreturn]] void become(const char* path, char* const* argv, int log_fd, int ready_fd,
                         pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it went before prctl
  const int null_fd = ::open("/dev/null", O_RDONLY);
  ::dup2(null_fd, STDIN_FILENO);
  ::dup2(log_fd, STDOUT_FILENO);
  ::dup2(log_fd, STDERR_FILENO);
  ::fcntl(ready_fd, F_SETFD, 0);  // this one is inherited
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execv(path, argv);
  constexpr char kText[] = "cannot be executed\n";
  (void)!::write(STDERR_FILENO, kText, sizeof kText - 1);
  ::_exit(127);
}

UniqueFd open_log(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) == 0 && facts.st_size > kLogOctetsMax) {
    (void)::rename(path.c_str(), (path + ".old").c_str());
  }
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

}  // namespace

Supervisor::Supervisor(std::chrono::seconds stop_timeout) : stop_timeout_(stop_timeout) {
  const sigset_t set = handled_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // who reads our output may go before us
  signal_fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  POSTERN_ASSERT(signal_fd_);
}

Supervisor::~Supervisor() {
  for (Child& child : children_) {
    if (child.pid < 0) continue;
    ::kill(child.pid, SIGKILL);
    (void)::waitpid(child.pid, nullptr, 0);
  }
}

Result<std::size_t> Supervisor::start(Program program) {
  Child child;
  child.program = std::move(program);
  if (auto done = spawn(child); !done) return std::unexpected(done.error());
  children_.push_back(std::move(child));
  return children_.size() - 1;
}

Result<void> Supervisor::spawn(Child& child) {
  const Program& program = child.program;
  const UniqueFd log = open_log(program.log_path);
  int pipe_fds[2] = {-1, -1};
  if (!log || ::pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return fail(ErrorCode::io, fmt::format("cannot start {}: {}: {}", program.name,
                                           program.log_path, std::strerror(errno)));
  }
  child.ready_fd.reset(pipe_fds[0]);
  const UniqueFd write_end(pipe_fds[1]);
  child.log_start = std::max<off_t>(0, ::lseek(log.get(), 0, SEEK_END));
  std::vector<std::string> words = {program.name};
  words.insert(words.end(), program.arguments.begin(), program.arguments.end());
  words.insert(words.end(), {"--ready-fd", std::to_string(write_end.get())});
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t self = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return fail(ErrorCode::exhausted,
                fmt::format("cannot start {}: {}", program.name, std::strerror(errno)));
  }
  if (pid == 0) become(program.path.c_str(), argv.data(), log.get(), write_end.get(), self);
  child.pid = pid;
  child.ready = false;
  child.started = Clock::now();
  return {};
}

void Supervisor::turn(milliseconds timeout) {
  std::vector<pollfd> polled = {{signal_fd_.get(), POLLIN, 0}};
  for (const Child& child : children_) {
    if (child.ready_fd) polled.push_back({child.ready_fd.get(), POLLIN, 0});
  }
  const int wait_ms = static_cast<int>(std::clamp<long long>(timeout.count(), 0, 60'000));
  if (::poll(polled.data(), polled.size(), wait_ms) <= 0) return;
  for (const pollfd& entry : polled) {
    if (entry.revents == 0) continue;
    for (Child& child : children_) {
      if (child.ready_fd.get() == entry.fd) on_ready_fd(child);
    }
  }
  read_signals();
}

void Supervisor::read_signals() {
  signalfd_siginfo info{};
  bool children_changed = false;
  while (::read(signal_fd_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      children_changed = true;
    } else {
      ++stop_requests_;
    }
  }
  if (children_changed) reap();
}

void Supervisor::reap() {
  for (Child& child : children_) {
    int status = 0;
    if (child.pid > 0 && ::waitpid(child.pid, &status, WNOHANG) == child.pid) {
      on_exit(child, status);
    }
  }
}

void Supervisor::on_exit(Child& child, int wait_status) {
  child.pid = -1;
  child.wait_status = wait_status;
  child.ready_fd.reset();
  const auto now = Clock::now();
  if (now - child.started > kStableAfter) child.backoff = milliseconds(0);
  child.backoff = std::clamp(child.backoff * 2, kBackoffFirst, kBackoffMax);
  child.restart_at = now + child.backoff;
  if (!restarting_) return;
  fmt::print(stderr,
             "postern up: {} ended unexpectedly with {}; starting it again in {:.1f} s ({})\n",
             child.program.name, describe_status(wait_status),
             std::chrono::duration<double>(child.backoff).count(), child.program.log_path);
}

void Supervisor::on_ready_fd(Child& child) {
  char line[64];
  const ssize_t got = ::read(child.ready_fd.get(), line, sizeof line);
  if (got < 0 && errno == EINTR) return;
  child.ready_fd.reset();  // at its end without a line the process is about to go: SIGCHLD tells
  if (got <= 0) return;
  child.ready = true;
  if (restarting_) fmt::print(stderr, "postern up: {} listens again\n", child.program.name);
}

Supervisor::Outcome Supervisor::wait_ready(std::size_t index, milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    const Child& child = children_[index];
    if (child.ready) return Outcome::ready;
    if (child.pid < 0) return Outcome::exited;
    if (stop_requests_ > 0) return Outcome::stopped;
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return Outcome::timeout;
    turn(left);
  }
}

std::string Supervisor::exit_text(std::size_t index) const {
  return describe_status(children_[index].wait_status);
}

std::optional<int> Supervisor::exit_code(std::size_t index) const {
  const Child& child = children_[index];
  if (child.pid >= 0 || !WIFEXITED(child.wait_status)) return std::nullopt;
  return WEXITSTATUS(child.wait_status);
}

std::string Supervisor::log_tail(std::size_t index) const {
  const Child& child = children_[index];
  const UniqueFd fd(::open(child.program.log_path.c_str(), O_RDONLY | O_CLOEXEC));
  const off_t size = fd ? ::lseek(fd.get(), 0, SEEK_END) : 0;
  const off_t from = std::max(child.log_start, size - static_cast<off_t>(kLogTailOctets));
  if (size <= from) return {};
  std::string text(static_cast<std::size_t>(size - from), '\0');
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), from);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  while (text.ends_with('\n')) text.pop_back();
  std::size_t start = text.size();
  for (std::size_t lines = 0; lines < kLogTailLines && start != text.npos; ++lines) {
    start = start == 0 ? text.npos : text.rfind('\n', start - 1);
  }
  return start == text.npos ? text : text.substr(start + 1);
}

milliseconds Supervisor::until_next_restart() const {
  milliseconds out{60'000};
  for (const Child& child : children_) {
    if (child.pid >= 0) continue;
    out = std::min(out, std::chrono::ceil<milliseconds>(child.restart_at - Clock::now()));
  }
  return std::max(out, milliseconds(0));
}

void Supervisor::restart_due() {
  for (Child& child : children_) {
    if (child.pid >= 0 || child.restart_at > Clock::now()) continue;
    if (auto done = spawn(child); !done) {
      fmt::print(stderr, "postern up: {}\n", done.error().message);
      child.backoff = std::clamp(child.backoff * 2, kBackoffFirst, kBackoffMax);
      child.restart_at = Clock::now() + child.backoff;
    }
  }
}

void Supervisor::run() {
  restarting_ = true;
  while (stop_requests_ == 0) {
    restart_due();
    turn(until_next_restart());
  }
  restarting_ = false;
}

bool Supervisor::stop_group(bool last_group) {
  const auto belongs = [&](const Child& child) {
    return child.program.stops_last == last_group && child.pid > 0;
  };
  bool clean = true;
  std::vector<std::size_t> stopping;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (!belongs(children_[i])) continue;
    ::kill(children_[i].pid, SIGTERM);
    stopping.push_back(i);
  }
  const int requests_before = std::max(stop_requests_, 1);
  const auto deadline = Clock::now() + stop_timeout_;
  bool killed = false;
  while (std::ranges::any_of(children_, belongs)) {
    const bool asked_again = stop_requests_ > requests_before;
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (!killed && (asked_again || left.count() <= 0)) {
      for (const Child& child : children_) {
        if (!belongs(child)) continue;
        fmt::print(stderr, "postern up: killing {}{}\n", child.program.name,
                   asked_again ? "" : ", which did not end in time");
        ::kill(child.pid, SIGKILL);
      }
      killed = true;
    }
    turn(killed ? milliseconds(1000) : left);
  }
  for (const std::size_t index : stopping) {
    if (exit_code(index) == 0) continue;
    clean = false;
    fmt::print(stderr, "postern up: {} ended with {} ({})\n", children_[index].program.name,
               exit_text(index), children_[index].program.log_path);
  }
  return clean;
}

bool Supervisor::shut_down() {
  // Sidecars first: what their sessions finish while they drain (POP3's UPDATE) needs the gateway.
  const bool sidecars_clean = stop_group(false);
  const bool gateway_clean = stop_group(true);
  return sidecars_clean && gateway_clean;
}

}  // namespace postern::cli::up

#include "runtime/process.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace postern::process {

namespace {

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGHUP);
  return set;
}

void notify_systemd() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  constexpr std::string_view kReady = "READY=1";
  (void)::sendto(fd, kReady.data(), kReady.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  ::close(fd);
}

}  // namespace

void prepare() {
  const sigset_t set = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // A file that may not grow (RLIMIT_FSIZE) is a full disk: an error of write(2), not the end.
  ::signal(SIGXFSZ, SIG_IGN);
  ::umask(0077);  // what a daemon writes is mail, keys and logs of mail: its user's business alone
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void announce_ready(int ready_fd) {
  if (ready_fd >= 0) {
    constexpr std::string_view kReady = "ready\n";
    if (::write(ready_fd, kReady.data(), kReady.size()) < 0) {
      fmt::print(stderr, "cannot write to --ready-fd {}: {}\n", ready_fd, std::strerror(errno));
    }
    ::close(ready_fd);
  }
  notify_systemd();
}

int wait_for_signal(Duration time_max) {
  const sigset_t set = handled_signals();
  const MonoTime end = read_clocks().mono + time_max;
  while (true) {
    int number = -1;
    if (time_max == Duration::zero()) {
      number = ::sigwaitinfo(&set, nullptr);
    } else {
      const auto left = std::max(end - read_clocks().mono, Duration::zero());
      const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
      const timespec timeout{.tv_sec = whole.count(),
                             .tv_nsec = std::chrono::nanoseconds(left - whole).count()};
      number = ::sigtimedwait(&set, nullptr, &timeout);
    }
    if (number > 0) return number;
    if (number < 0 && errno == EAGAIN) return 0;
  }
}

int report(std::string_view name, const Error& error) {
  fmt::print(stderr, "{}: {}\n", name, error.message);
  switch (error.code) {
    case ErrorCode::unsupported:
    case ErrorCode::permission_denied:
      return error.message.find("io_uring") != std::string::npos ? kExitNoIoUring : kExitFailed;
    case ErrorCode::invalid_argument:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

}  // namespace postern::process

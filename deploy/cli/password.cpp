#include "deploy/cli/password.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/unique_fd.hpp"
#include "store/rpc/protocol.hpp"

namespace postern::cli {
namespace {

/// One line without its line end; the rest stays unread as far as possible (an octet at a time: it
/// may be a pipe that the next program reads on).
Result<std::string> read_line(int fd) {
  std::string line;
  for (;;) {
    char c = 0;
    const ssize_t got = ::read(fd, &c, 1);
    if (got < 0 && errno == EINTR) return fail(ErrorCode::aborted, "interrupted");
    if (got < 0) {
      return fail(ErrorCode::io, fmt::format("cannot read the password: {}", std::strerror(errno)));
    }
    if (got == 0 || c == '\n') break;
    line += c;
    if (line.size() > store::rpc::kSecretOctetsMax) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("the password is longer than {} octets; choose a shorter one",
                              store::rpc::kSecretOctetsMax));
    }
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

/// Turns the terminal's echo off for its lifetime. Ctrl-C is read as a character meanwhile (ISIG
/// off), so that no way out leaves the terminal mute.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    active_ = ::tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  ~NoEcho() {
    if (active_) (void)::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  bool active() const { return active_; }

 private:
  int fd_;
  termios before_{};
  bool active_ = false;
};

Result<std::string> ask(int terminal, const std::string& prompt) {
  NoEcho quiet(terminal);
  if (!quiet.active()) {
    return fail(ErrorCode::io,
                "cannot switch the terminal's echo off; give the password with --password-file");
  }
  (void)!::write(terminal, prompt.data(), prompt.size());
  auto line = read_line(terminal);
  (void)!::write(terminal, "\n", 1);
  if (line && line->find('\x03') != std::string::npos) return fail(ErrorCode::aborted, "given up");
  return line;
}

Result<std::string> ask_twice(int terminal, const std::string& user) {
  auto first = ask(terminal, fmt::format("New password for {}: ", user));
  if (!first || first->empty()) return first;
  auto second = ask(terminal, "Once more: ");
  if (!second) return second;
  if (*first != *second) {
    return fail(ErrorCode::invalid_argument, "the two passwords differ; nothing was changed");
  }
  return first;
}

Result<std::string> read_from(const std::string& file, const std::string& user) {
  if (file == "-") return read_line(STDIN_FILENO);
  if (!file.empty()) {
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("cannot read {}: {}", file, std::strerror(errno)));
    }
    return read_line(fd.get());
  }
  if (::isatty(STDIN_FILENO) == 0) return read_line(STDIN_FILENO);
  return ask_twice(STDIN_FILENO, user);
}

}  // namespace

Result<std::string> read_password(const std::string& file, const std::string& user) {
  auto password = read_from(file, user);
  if (!password) return password;
  if (password->empty()) {
    return fail(ErrorCode::invalid_argument, "the password is empty; nothing was changed");
  }
  if (password->find('\0') != std::string::npos) {  // SASL PLAIN could not carry it (RFC 4616)
    return fail(ErrorCode::invalid_argument, "the password holds a NUL octet; choose another one");
  }
  return password;
}

}  // namespace postern::cli

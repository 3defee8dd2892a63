#include "deploy/cli/up/state_folder.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace postern::cli::up {
namespace {

// Also what marks a folder as one of ours.
constexpr std::string_view kLockName = "up.lock";

Result<void> create(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::filesystem::create_directories(parent, error);
  if (!error && ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    error.assign(errno, std::generic_category());
  }
  if (!error) return {};
  return fail(ErrorCode::permission_denied,
              fmt::format("cannot create the state folder {}: {}; name a folder that you may "
                          "write with --state",
                          path, error.message()));
}

/// Files of a foreign folder would be mixed with ours, and a later clean-up would delete them.
Result<void> check_is_ours(const StateFolder& state) {
  std::error_code error;
  if (std::filesystem::exists(state.file(kLockName), error)) return {};
  if (std::filesystem::is_empty(state.path, error) && !error) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} is neither empty nor a state folder of postern up; name another one "
                          "with --state",
                          state.path));
}

Result<void> lock(StateFolder& state) {
  const std::string path = state.file(kLockName);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) {
    return fail(ErrorCode::permission_denied,
                fmt::format("cannot write to the state folder {}: {}; give the folder to the user "
                            "that runs postern up, or name another one with --state",
                            state.path, std::strerror(errno)));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const ssize_t got = ::pread(fd.get(), pid, sizeof pid - 1, 0);
    return fail(
        ErrorCode::already_exists,
        fmt::format("another postern up{} runs on {}; stop it first, or name another "
                    "folder with --state",
                    got > 0 ? fmt::format(" (process {})", std::atoi(pid)) : "", state.path));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  (void)!::ftruncate(fd.get(), 0);
  (void)!::pwrite(fd.get(), pid.data(), pid.size(), 0);
  state.lock = std::move(fd);
  return {};
}

}  // namespace

Result<StateFolder> open_state_folder(const std::string& path) {
  StateFolder state;
  std::error_code error;
  state.path = std::filesystem::absolute(path, error).lexically_normal().string();
  if (path.empty() || error) {
    return fail(ErrorCode::invalid_argument, "--state needs the path of a folder");
  }
  while (state.path.size() > 1 && state.path.ends_with('/')) state.path.pop_back();
  if (auto done = create(state.path); !done) return std::unexpected(done.error());
  if (!std::filesystem::is_directory(state.path, error)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is not a folder; name another one with --state", state.path));
  }
  if (auto done = check_is_ours(state); !done) return std::unexpected(done.error());
  if (auto done = lock(state); !done) return std::unexpected(done.error());
  return state;
}

Result<void> write_file(const std::string& path, std::string_view content, unsigned mode) {
  const std::string temporary = path + ".new";
  const auto failed = [&] {
    const int number = errno;
    (void)::unlink(temporary.c_str());
    return fail(ErrorCode::io, fmt::format("cannot write {}: {}", path, std::strerror(number)));
  };
  (void)::unlink(temporary.c_str());
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd || ::fchmod(fd.get(), mode) != 0) return failed();
  while (!content.empty()) {
    const ssize_t written = ::write(fd.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed();
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) return failed();
  return {};
}

}  // namespace postern::cli::up

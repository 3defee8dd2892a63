#include "gateway/login_keeper.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "gateway/policy/login_memory.hpp"
#include "runtime/log.hpp"
#include "runtime/unique_fd.hpp"

namespace postern::gateway {

namespace {

// What a crash forgets. A stop in order forgets nothing, so the disk is not asked for more.
constexpr Duration kSaveInterval = std::chrono::minutes(5);
constexpr const char* kFileName = "/known-logins";
constexpr const char* kNewFileName = "/known-logins.new";

std::unexpected<Error> failed(const char* what, const std::string& path) {
  return fail(ErrorCode::io, std::string(what) + " " + path + ": " + std::strerror(errno));
}

Result<std::string> read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::string{};
  if (!fd) return failed("open", path);
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return failed("stat", path);
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size > policy::kLoginMemoryOctetsMax) {
    return fail(ErrorCode::corrupted, path + " is too long");
  }
  std::string octets(size, '\0');
  std::size_t have = 0;
  while (have < octets.size()) {
    const ssize_t got = ::read(fd.get(), octets.data() + have, octets.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  octets.resize(have);
  return octets;
}

Result<void> write_and_sync(const std::string& path, std::string_view octets) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return failed("create", path);
  while (!octets.empty()) {
    const ssize_t put = ::write(fd.get(), octets.data(), octets.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failed("write", path);
    octets.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(fd.get()) != 0) return failed("fsync", path);
  return {};
}

Result<void> restore(GatewayShared& shared) {
  auto octets = read_file(shared.settings.store.path + kFileName);
  if (!octets) return std::unexpected(octets.error());
  if (octets->empty()) return {};
  return shared.policy->restore_logins(*octets, read_clocks());
}

Result<void> replace_file(const std::string& folder, std::string_view octets) {
  const std::string path = folder + kFileName;
  const std::string new_path = folder + kNewFileName;
  if (auto written = write_and_sync(new_path, octets); !written) return written;
  if (::rename(new_path.c_str(), path.c_str()) != 0) return failed("rename", new_path);
  const UniqueFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return failed("fsync", folder);
  return {};
}

bool check(const Result<void>& done) {
  if (done) return true;
  log::event(log::Level::warn, "login.memory.failed", {{"cause", done.error().message}});
  return false;
}

}  // namespace

void restore_logins(GatewayShared& shared) { check(restore(shared)); }

bool save_logins(GatewayShared& shared) {
  if (shared.policy->logins().known_changes() == 0) return true;
  return check(replace_file(shared.settings.store.path, shared.policy->save_logins(read_clocks())));
}

LoginKeeper::LoginKeeper(GatewayShared& shared, EventLoop& loop)
    : shared_(shared),
      loop_(loop),
      timer_(this, [](void* self, Now) { static_cast<LoginKeeper*>(self)->look(); }) {}

void LoginKeeper::start() {
  saved_changes_ = shared_.policy->logins().known_changes();
  loop_.timers().arm(timer_, loop_.now().mono + kSaveInterval);
}

void LoginKeeper::stop() { loop_.timers().disarm(timer_); }

void LoginKeeper::look() {
  loop_.timers().arm(timer_, loop_.now().mono + kSaveInterval);
  const std::uint64_t changes = shared_.policy->logins().known_changes();
  if (outstanding_ || changes == saved_changes_) return;
  // When the workers are busy with logins: another time.
  outstanding_ = shared_.workers->submit([this, changes] {
    const bool saved = save_logins(shared_);
    loop_.post([this, changes, saved] {
      outstanding_ = false;
      if (saved) saved_changes_ = changes;
    });
  });
}

}  // namespace postern::gateway

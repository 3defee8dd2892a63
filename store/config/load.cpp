#include "store/config/load.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

#include "runtime/config/reader.hpp"
#include "runtime/config/writer.hpp"
#include "store/config/bind.hpp"

namespace postern::config {
namespace {

/// The machine's name, or "localhost" where it is unset or is none that SMTP could say.
std::string machine_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "localhost";
  const std::string_view text = name;
  const bool fine = !text.empty() && text.find_first_not_of(
                                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789-.") == text.npos;
  return fine ? std::string(text) : "localhost";
}

void make_absolute(std::string& path, const std::filesystem::path& folder) {
  if (path.empty() || path.front() == '/') return;
  path = (folder / path).lexically_normal().string();
}

Settings defaults() {
  Settings s;
  s.hostname = machine_name();
  s.gateway.listeners = default_smtp_listeners();
  s.pop3.listeners = default_pop3_listeners();
  s.imap.listeners = default_imap_listeners();
  return s;
}

/// Paths that hang on other paths, once everything is read.
void derive_paths(Settings& s, const std::string& file_name) {
  std::error_code ignored;  // a vanished working folder: relative paths then stay relative
  const auto file = std::filesystem::absolute(file_name.empty() ? "." : file_name, ignored);
  const auto folder = file_name.empty() ? file : file.parent_path();
  make_absolute(s.state, folder);
  if (s.store.path.empty()) s.store.path = s.state + "/store";
  if (s.store.socket.empty()) s.store.socket = s.state + "/postern.sock";
  for (std::string* path :
       {&s.tls.certificate, &s.tls.key, &s.tls.client_ca, &s.store.path, &s.store.socket}) {
    make_absolute(*path, folder);
  }
  for (CertificateSettings& row : s.tls.certificates) {
    make_absolute(row.certificate, folder);
    make_absolute(row.key, folder);
  }
}

bool wants_client_certificates(const Settings& s) {
  const auto wants = [](const ListenerSettings& listener) {
    return listener.client_certificates != ClientCertificates::none;
  };
  return std::ranges::any_of(s.gateway.listeners, wants) ||
         std::ranges::any_of(s.pop3.listeners, wants) ||
         std::ranges::any_of(s.imap.listeners, wants);
}

/// sun_path is 108 octets with its terminating NUL (unix(7)). Looked at here because the path may
/// be derived from `state`, or made absolute.
constexpr std::size_t kSocketPathOctetsMax = 107;

}  // namespace

LoadResult parse(std::string_view text, const std::string& file_name) {
  Settings s = defaults();
  auto problems = read_toml(text, file_name, [&](Binder& b) {
    bind(b, s);
    derive_paths(s, file_name);
    b.require(s.store.socket.size() <= kSocketPathOctetsMax, {"store", "state"},
              fmt::format("the Unix socket's path has {} octets, the system allows {}: {}",
                          s.store.socket.size(), kSocketPathOctetsMax, s.store.socket),
              "choose a shorter state folder, or set socket in [store]");
    b.require(!s.tls.client_ca.empty() || !wants_client_certificates(s), {"tls"},
              "a listener has client_certificates, and client_ca in [tls] is not set",
              "name the file with the authorities of client certificates");
  });
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return s;
}

LoadResult load(const std::string& path) {
  if (path.empty()) return parse("", "");
  auto text = read_config_file(path);
  if (text) return parse(*text, path);
  const bool missing = text.error().code == ErrorCode::not_found;
  return std::unexpected(std::vector<ConfigProblem>{ConfigProblem{
      path, 0, 0, "", fmt::format("cannot be read: {}", text.error().message),
      missing ? "name the file with --config; an empty file will do, every setting has a default"
              : "check the file and who may read it"}});
}

std::string dump(const Settings& settings) {
  Settings copy = settings;  // the writer only looks; bind() takes what a reader changes
  return "# Postern's configuration. Every setting is shown with its present value; a line that "
         "is\n"
         "# removed gets its default. Sizes: B, KiB, MiB, GiB, TiB. Durations: s, min, h, d. Check "
         "a\n"
         "# change with: postern config check --config FILE\n\n" +
         write_toml([&](Binder& b) { bind(b, copy); });
}

std::vector<std::string> warnings(const Settings& s) {
  std::vector<std::string> out;
  if (!s.tls.certificate.empty()) return out;
  std::string closed;
  std::string clear;
  const auto look = [&](const ListenerSettings& listener) {
    std::string* list = listener.tls == TlsMode::implicit   ? &closed
                        : listener.tls == TlsMode::required ? &clear
                                                            : nullptr;
    if (list != nullptr) *list += (list->empty() ? "" : ", ") + listener.name;
  };
  for (const auto& listener : s.gateway.listeners) look(listener);
  for (const auto& listener : s.pop3.listeners) look(listener);
  for (const auto& listener : s.imap.listeners) look(listener);
  if (!closed.empty()) {
    out.push_back(
        fmt::format("no certificate: listeners with implicit TLS are not opened ({}); "
                    "set certificate and key in [tls]",
                    closed));
  }
  if (!clear.empty()) {
    out.push_back(
        fmt::format("no certificate: listeners that require TLS serve nobody ({}); set "
                    "certificate and key in [tls]",
                    clear));
  }
  return out;
}

std::vector<std::string> machine_problems(const Settings& s) {
  std::vector<std::string> out;
  std::vector<std::pair<const char*, const std::string*>> files = {
      {"certificate", &s.tls.certificate}, {"key", &s.tls.key}, {"client_ca", &s.tls.client_ca}};
  for (const CertificateSettings& row : s.tls.certificates) {
    files.emplace_back("certificates.certificate", &row.certificate);
    files.emplace_back("certificates.key", &row.key);
  }
  for (const auto& [key, path] : files) {
    if (path->empty() || ::access(path->c_str(), R_OK) == 0) continue;
    out.push_back(fmt::format("tls.{}: {}: {}; name a PEM file that this user may read", key, *path,
                              std::generic_category().message(errno)));
  }
  // The processes create what is missing; they cannot where the nearest folder there is refuses
  // them.
  std::filesystem::path folder = s.state;
  std::error_code ignored;
  while (!std::filesystem::exists(folder, ignored) && folder != folder.parent_path()) {
    folder = folder.parent_path();
  }
  if (!std::filesystem::is_directory(folder, ignored)) {
    out.push_back(fmt::format("state: {} is not a folder; name another one", folder.string()));
  } else if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    out.push_back(
        fmt::format("state: {}: {}; give the folder to the user that the processes run as",
                    folder.string(), std::generic_category().message(errno)));
  }
  return out;
}

}  // namespace postern::config

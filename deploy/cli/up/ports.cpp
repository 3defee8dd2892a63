#include "deploy/cli/up/ports.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <netinet/in.h>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include "runtime/config/endpoint.hpp"
#include "runtime/unique_fd.hpp"

namespace postern::cli::up {
namespace {

constexpr std::string_view kListenState = "0A";  // TCP_LISTEN in /proc/net/tcp

/// Inodes of the sockets that listen on `port`, as /proc/<pid>/fd shows them: "socket:[4711]".
std::set<std::string> listening_sockets(unsigned port) {
  std::set<std::string> out;
  const std::string wanted = fmt::format(":{:04X}", port);
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream table(path);
    std::string line;
    std::getline(table, line);  // headings
    while (std::getline(table, line)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      std::istringstream fields(line);
      std::string slot, local, remote, state, queues, timer, retransmits, user, timeout, inode;
      fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
          timeout >> inode;
      if (state == kListenState && local.ends_with(wanted)) out.insert("socket:[" + inode + "]");
    }
  }
  return out;
}

/// 0, or the errno with which the address cannot be listened on.
int try_to_bind(const config::Endpoint& endpoint) {
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (endpoint.is_ipv6) {
    auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(endpoint.port);
    ::inet_pton(AF_INET6, endpoint.address.c_str(), &address->sin6_addr);
    length = sizeof *address;
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(endpoint.port);
    ::inet_pton(AF_INET, endpoint.address.c_str(), &address->sin_addr);
    length = sizeof *address;
  }
  const UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const int on = 1;
  // Connections of an earlier run in TIME_WAIT do not count; a listener does, whatever its options.
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.is_ipv6) {
    (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) return errno;
  return ::listen(fd.get(), 1) == 0 ? 0 : errno;
}

std::string reason(int number, const config::Endpoint& endpoint) {
  switch (number) {
    case EADDRINUSE: {
      const std::string owner = port_owner(endpoint.port);
      return "is taken by " + (owner.empty() ? "another process" : owner);
    }
    case EACCES:
      return "needs root: its port is below 1024";
    case EADDRNOTAVAIL:
      return "is not an address of this machine";
    case EAFNOSUPPORT:
      return "needs IPv6, which this machine does not have";
    default:
      return fmt::format("cannot be listened on: {}", std::strerror(number));
  }
}

}  // namespace

std::string port_owner(unsigned port) {
  const std::set<std::string> sockets = listening_sockets(port);
  if (sockets.empty()) return {};
  namespace fs = std::filesystem;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    const std::string pid = process.path().filename();
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    std::error_code denied;  // processes of other users
    for (const auto& fd : fs::directory_iterator(process.path() / "fd", denied)) {
      std::error_code gone;
      if (!sockets.contains(fs::read_symlink(fd.path(), gone).string())) continue;
      std::ifstream comm(process.path() / "comm");
      std::string name;
      std::getline(comm, name);
      return fmt::format("{} (process {})", name, pid);
    }
  }
  return {};
}

std::vector<std::string> unavailable_addresses(const config::Settings& settings) {
  std::vector<std::string> out;
  const auto look = [&](std::string_view protocol, const config::ListenerSettings& listener) {
    for (const std::string& text : listener.addresses) {
      const auto endpoint = config::parse_endpoint(text);
      if (!endpoint) continue;  // the loader has refused it
      const int number = try_to_bind(*endpoint);
      if (number == 0) continue;
      out.push_back(fmt::format("{} ({} listener {}) {}", text, protocol, listener.name,
                                reason(number, *endpoint)));
    }
  };
  for (const auto& listener : settings.gateway.listeners) look("SMTP", listener);
  for (const auto& listener : settings.pop3.listeners) look("POP3", listener);
  for (const auto& listener : settings.imap.listeners) look("IMAP", listener);
  return out;
}

}  // namespace postern::cli::up

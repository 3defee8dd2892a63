#include "runtime/socket_address.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>

namespace postern {

namespace {

// How long a taken port may take to become free. The kernel tears down the rings of a process that
// was killed some time after the process is gone, and their listening sockets with them: whoever
// restarts a crashed gateway at once would find its own ports taken.
constexpr int kVacateAttempts = 50;
constexpr std::chrono::milliseconds kVacatePause{20};

union AnyAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t fill(const SocketAddress& from, AnyAddress& to) {
  std::memset(&to, 0, sizeof to);
  if (from.is_ipv6) {
    to.v6.sin6_family = AF_INET6;
    to.v6.sin6_port = htons(from.port);
    ::inet_pton(AF_INET6, from.address.c_str(), &to.v6.sin6_addr);
    return sizeof to.v6;
  }
  to.v4.sin_family = AF_INET;
  to.v4.sin_port = htons(from.port);
  ::inet_pton(AF_INET, from.address.c_str(), &to.v4.sin_addr);
  return sizeof to.v4;
}

void describe(const AnyAddress& from, std::string& address, std::uint16_t& port, bool& is_ipv6) {
  char text[INET6_ADDRSTRLEN] = "";
  is_ipv6 = from.any.sa_family == AF_INET6;
  if (is_ipv6) {
    ::inet_ntop(AF_INET6, &from.v6.sin6_addr, text, sizeof text);
    port = ntohs(from.v6.sin6_port);
  } else {
    ::inet_ntop(AF_INET, &from.v4.sin_addr, text, sizeof text);
    port = ntohs(from.v4.sin_port);
  }
  address = text;
}

Error bind_error(const SocketAddress& address, int error) {
  switch (error) {
    case EADDRINUSE:
      return {
          ErrorCode::already_exists,
          fmt::format("{} is taken: another program listens there; stop it or configure another "
                      "port",
                      address.text())};
    case EACCES:
      return {ErrorCode::permission_denied,
              fmt::format("may not listen on {}: ports below 1024 need CAP_NET_BIND_SERVICE (or "
                          "sysctl net.ipv4.ip_unprivileged_port_start)",
                          address.text())};
    case EADDRNOTAVAIL:
      return {ErrorCode::not_found,
              fmt::format("{} is not an address of this machine", address.text())};
    default:
      return {ErrorCode::io,
              fmt::format("cannot listen on {}: {}", address.text(), std::strerror(error))};
  }
}

Result<UniqueFd> bound_socket(const SocketAddress& address, bool share) {
  UniqueFd fd(::socket(address.is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(bind_error(address, errno));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (share) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address.is_ipv6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  AnyAddress target;
  const socklen_t size = fill(address, target);
  if (::bind(fd.get(), &target.any, size) != 0) return std::unexpected(bind_error(address, errno));
  return fd;
}

}  // namespace

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  SocketAddress result;
  const std::size_t colon = text.rfind(':');
  const auto malformed = [&] {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is not an address and port: write \"127.0.0.1:25\" or "
                            "\"[::1]:25\"",
                            text));
  };
  if (colon == std::string_view::npos) return malformed();
  const std::string_view port = text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size()) return malformed();
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    result.is_ipv6 = true;
  }
  result.address = host;
  AnyAddress binary;
  const int family = result.is_ipv6 ? AF_INET6 : AF_INET;
  void* const into = result.is_ipv6 ? static_cast<void*>(&binary.v6.sin6_addr)
                                    : static_cast<void*>(&binary.v4.sin_addr);
  if (::inet_pton(family, result.address.c_str(), into) != 1) return malformed();
  result.is_wildcard = result.address == "0.0.0.0" || result.address == "::";
  return result;
}

std::string SocketAddress::text() const {
  return is_ipv6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

Result<void> check_port_free(const SocketAddress& address) {
  for (int attempt = 0;; ++attempt) {
    auto fd = bound_socket(address, false);
    if (fd) return {};
    if (fd.error().code != ErrorCode::already_exists || attempt == kVacateAttempts) {
      return std::unexpected(fd.error());
    }
    std::this_thread::sleep_for(kVacatePause);
  }
}

Result<std::vector<SocketAddress>> parse_free_addresses(const std::vector<std::string>& texts) {
  std::vector<SocketAddress> addresses;
  for (const std::string& text : texts) {
    auto address = SocketAddress::parse(text);
    if (!address) return std::unexpected(address.error());
    if (auto vacant = check_port_free(*address); !vacant) return std::unexpected(vacant.error());
    addresses.push_back(std::move(*address));
  }
  return addresses;
}

Result<UniqueFd> listen_tcp(const SocketAddress& address, std::uint32_t backlog) {
  auto fd = bound_socket(address, true);
  if (!fd) return fd;
  const int on = 1;
  ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::listen(fd->get(), static_cast<int>(backlog)) != 0) {
    return std::unexpected(bind_error(address, errno));
  }
  return fd;
}

Result<UniqueFd> listen_unix(const std::string& path, std::uint32_t backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the socket path {} is longer than {} octets: set [store] socket", path,
                            sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto* target = reinterpret_cast<const sockaddr*>(&address);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail(ErrorCode::io, std::strerror(errno));
  if (::connect(fd.get(), target, sizeof address) == 0) {
    return fail(ErrorCode::already_exists,
                fmt::format("another gateway answers on {}: stop it first", path));
  }
  fd.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::unlink(path.c_str());
  const mode_t old_mask = ::umask(0177);
  const int bound = ::bind(fd.get(), target, sizeof address);
  const int error = errno;
  ::umask(old_mask);
  if (bound != 0 || ::listen(fd.get(), static_cast<int>(backlog)) != 0) {
    return fail(ErrorCode::io, fmt::format("cannot make the socket {}: {}", path,
                                           std::strerror(bound != 0 ? error : errno)));
  }
  return fd;
}

PeerFacts peer_facts(int fd, const SocketAddress& listening) {
  PeerFacts facts;
  AnyAddress binary;
  socklen_t size = sizeof binary;
  if (::getpeername(fd, &binary.any, &size) == 0) {
    describe(binary, facts.address, facts.port, facts.is_ipv6);
  }
  facts.local_address = listening.address;
  facts.local_port = listening.port;
  if (listening.is_wildcard) {
    size = sizeof binary;
    bool ignored = false;
    if (::getsockname(fd, &binary.any, &size) == 0) {
      describe(binary, facts.local_address, facts.local_port, ignored);
    }
  }
  return facts;
}

}  // namespace postern

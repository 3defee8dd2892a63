// The floor: what driver, kernel and loopback cost with a server that does nothing but answer.
#pragma once

#include <thread>

#include "bench/pop3/wire.hpp"

/// Answers one client with the same message for every RETR; what came together is answered
/// together.
inline void serve_one(int fd, std::uint64_t count, const std::string& answer) {
  std::vector<char> buffer(kReadOctets);
  std::string input;
  std::string output = "+OK ready\r\n";
  for (bool open = true; open;) {
    for (std::string_view rest = output; !rest.empty();) {
      const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    output.clear();
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return;
    input.append(buffer.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = input.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      const std::string_view line = std::string_view(input).substr(begin, end - begin);
      if (line.starts_with("RETR"))
        output += answer;
      else if (line.starts_with("STAT"))
        output += "+OK " + std::to_string(count) + " 0\r\n";
      else
        output += "+OK\r\n";
      if (line.starts_with("QUIT")) open = false;
    }
    input.erase(0, begin);
  }
  (void)::send(fd, output.data(), output.size(), MSG_NOSIGNAL);
}

/// A thread a client, for ever; every maildrop has `count` messages of `octets` octets.
[[noreturn]] inline void serve(const char* host, const char* port, std::uint64_t count,
                               std::uint64_t octets) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* address = nullptr;
  if (::getaddrinfo(host, port, &hints, &address) != 0) give_up("HOST is an address");
  const int listener = ::socket(address->ai_family, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, address->ai_addr, address->ai_addrlen) != 0 || ::listen(listener, 64) != 0)
    give_up(std::string("cannot listen: ") + std::strerror(errno));
  const std::string answer = "+OK octets\r\n" + stuffed(message(1, octets)) + ".\r\n";
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) give_up("accept fails");
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread([fd, count, &answer] {
      serve_one(fd, count, answer);
      ::close(fd);
    }).detach();
  }
}

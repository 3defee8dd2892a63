// A blocking connection, and the mails that go over it: what the client and the do-nothing server
// of bench/pop3 share.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

// Larger than what the kernel hands over at once on loopback.
inline constexpr std::size_t kReadOctets = 1 << 20;
inline constexpr std::string_view kTerminator = "\r\n.\r\n";

[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "driver: %s\n", why.c_str());
  std::exit(1);
}

inline std::uint64_t number(const char* text) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (*text == '\0' || *end != '\0') give_up(std::string("not a number: ") + text);
  return value;
}

class Connection {
 public:
  Connection(const char* host, const char* port) : buffer_(kReadOctets) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* address = nullptr;
    if (::getaddrinfo(host, port, &hints, &address) != 0) give_up("HOST is an address");
    fd_ = ::socket(address->ai_family, SOCK_STREAM, 0);
    if (fd_ < 0 || ::connect(fd_, address->ai_addr, address->ai_addrlen) != 0)
      give_up(std::string("cannot connect: ") + std::strerror(errno));
    ::freeaddrinfo(address);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) give_up("the server closed the connection");
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// What is there, at least an octet.
  std::string_view receive() {
    const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) give_up("the server closed the connection");
    octets += static_cast<std::uint64_t>(got);
    return {buffer_.data(), static_cast<std::size_t>(got)};
  }
  /// One line without its end.
  std::string line() {
    std::size_t end = 0;
    while ((end = rest_.find("\r\n")) == std::string::npos) rest_ += receive();
    std::string text = rest_.substr(0, end);
    rest_.erase(0, end + 2);
    return text;
  }
  /// A line that has to begin with `wanted`.
  std::string expect(std::string_view wanted) {
    std::string text = line();
    if (!text.starts_with(wanted)) give_up("the server says: " + text);
    return text;
  }
  std::string ask(const std::string& command, std::string_view wanted) {
    send(command + "\r\n");
    return expect(wanted);
  }
  /// SMTP: the last line of a reply.
  void expect_reply(std::string_view code) {
    while (expect(code).substr(3, 1) == "-") {
    }
  }
  /// Until the server closes.
  void drain() {
    while (::recv(fd_, buffer_.data(), buffer_.size(), 0) > 0) {
    }
  }
  int fd() const { return fd_; }
  std::uint64_t octets = 0;  // received

 private:
  int fd_ = -1;
  std::vector<char> buffer_;
  std::string rest_;
};

// A mail of `octets` octets; one line in twenty begins with a dot.
inline std::string message(std::uint64_t number, std::uint64_t octets) {
  std::string text = "From: bench@client.test\r\nTo: bench@bench.test\r\nSubject: message " +
                     std::to_string(number) + "\r\n\r\n";
  for (int line = 0; text.size() + 2 < octets; ++line) {
    std::string next = line % 20 == 0 ? ".A line that begins with a dot, as some do."
                                      : "The quick brown fox jumps over the lazy dog, once more.";
    next.resize(std::min<std::size_t>(next.size(), octets - text.size() - 2));
    text += next + "\r\n";
  }
  return text;
}

inline std::string stuffed(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find("\r\n", at) + 2;
    if (text[at] == '.') out += '.';
    out.append(text, at, end - at);
    at = end;
  }
  return out;
}

/// Counts terminators over pieces of any size.
class TerminatorCounter {
 public:
  std::uint64_t count(std::string_view piece) {
    // One that lies across the seam is looked for in a few octets around it.
    seam_ += piece.substr(0, kOverlap);
    const std::uint64_t found = occurrences(seam_) + occurrences(piece);
    if (piece.size() >= kOverlap) seam_ = piece.substr(piece.size() - kOverlap);
    if (seam_.size() > kOverlap) seam_.erase(0, seam_.size() - kOverlap);
    return found;
  }

 private:
  static constexpr std::size_t kOverlap = kTerminator.size() - 1;

  static std::uint64_t occurrences(std::string_view text) {
    std::uint64_t found = 0;
    while (const void* at =
               ::memmem(text.data(), text.size(), kTerminator.data(), kTerminator.size())) {
      ++found;
      text.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(at) - text.data()) +
                         kTerminator.size());
    }
    return found;
  }
  std::string seam_;
};

// The client of bench/pop3/run: fills mailboxes and reads them over POP3, with as little work of
// its own as a client can have. One thread, blocking sockets.
//
//   driver fill-smtp HOST PORT RECIPIENT COUNT OCTETS     messages by SMTP, one connection
//   driver fill-imap HOST PORT USER PASSWORD COUNT OCTETS  messages by IMAP MULTIAPPEND
//   driver login     HOST PORT USER PASSWORD COUNT         connect, USER, PASS, STAT, QUIT
//   driver retr      HOST PORT USER PASSWORD               every message, one RETR at a time
//   driver pipe      HOST PORT USER PASSWORD WINDOW        the same, WINDOW RETRs at a time
//   driver serve     HOST PORT COUNT OCTETS                a server that does nothing but answer
//
// Prints "units microseconds octets"; units are messages or logins, and the time leaves out what
// is not asked about (filling: connecting; retr and pipe: the login).
#include <algorithm>
#include <cerrno>
#include <chrono>
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

namespace {

// Larger than what the kernel hands over at once on loopback.
constexpr std::size_t kReadOctets = 1 << 20;
// Messages of one MULTIAPPEND: a few hundred KiB a command.
constexpr std::uint64_t kAppendBatch = 100;
// RETRs in flight before the kernel's buffers for both ways could fill and both sides wait.
constexpr std::uint64_t kWindowMax = 4096;
constexpr std::string_view kTerminator = "\r\n.\r\n";

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "driver: %s\n", why.c_str());
  std::exit(1);
}

std::uint64_t number(const char* text) {
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
  std::uint64_t octets = 0;  // received

 private:
  int fd_ = -1;
  std::vector<char> buffer_;
  std::string rest_;
};

class Stopwatch {
 public:
  long long micros() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 begun_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

void report(std::uint64_t units, long long micros, std::uint64_t octets) {
  std::printf("%llu %lld %llu\n", static_cast<unsigned long long>(units), micros,
              static_cast<unsigned long long>(octets));
}

// A mail of `octets` octets; one line in twenty begins with a dot.
std::string message(std::uint64_t number, std::uint64_t octets) {
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

std::string stuffed(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find("\r\n", at) + 2;
    if (text[at] == '.') out += '.';
    out.append(text, at, end - at);
    at = end;
  }
  return out;
}

void fill_smtp(char** argument) {
  Connection server(argument[0], argument[1]);
  const std::string recipient = argument[2];
  const std::uint64_t count = number(argument[3]);
  const std::uint64_t octets = number(argument[4]);
  server.expect_reply("220");
  server.send("EHLO client.test\r\n");
  server.expect_reply("250");
  const Stopwatch watch;
  for (std::uint64_t i = 1; i <= count; ++i) {
    server.send("MAIL FROM:<bench@client.test>\r\nRCPT TO:<" + recipient + ">\r\nDATA\r\n");
    server.expect_reply("250");
    server.expect_reply("250");
    server.expect_reply("354");
    server.send(stuffed(message(i, octets)) + ".\r\n");
    server.expect_reply("250");
  }
  report(count, watch.micros(), server.octets);
  server.send("QUIT\r\n");
  server.drain();
}

void fill_imap(char** argument) {
  Connection server(argument[0], argument[1]);
  const std::uint64_t count = number(argument[4]);
  const std::uint64_t octets = number(argument[5]);
  server.expect("* OK");
  server.ask(std::string("a LOGIN ") + argument[2] + " " + argument[3], "a OK");
  const Stopwatch watch;
  for (std::uint64_t i = 1; i <= count;) {
    std::string command = "b APPEND INBOX";
    const std::uint64_t last = std::min(count, i + kAppendBatch - 1);
    for (; i <= last; ++i) {
      const std::string text = message(i, octets);
      command += " {" + std::to_string(text.size()) + "+}\r\n" + text;
    }
    server.send(command + "\r\n");
    while (!server.line().starts_with("b OK")) {
    }
  }
  report(count, watch.micros(), server.octets);
  server.send("c LOGOUT\r\n");
  server.drain();
}

/// Greeting to +OK of PASS.
void log_in(Connection& server, char** argument) {
  server.expect("+OK");
  server.ask(std::string("USER ") + argument[2], "+OK");
  server.ask(std::string("PASS ") + argument[3], "+OK");
}

void logins(char** argument) {
  const std::uint64_t count = number(argument[4]);
  const Stopwatch watch;
  std::uint64_t octets = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    Connection server(argument[0], argument[1]);
    log_in(server, argument);
    server.ask("STAT", "+OK");
    server.ask("QUIT", "+OK");
    octets += server.octets;
  }
  report(count, watch.micros(), octets);
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

void retrieve(char** argument, std::uint64_t window) {
  if (window == 0 || window > kWindowMax) give_up("WINDOW is 1 to 4096");
  Connection server(argument[0], argument[1]);
  log_in(server, argument);
  const std::string stat = server.ask("STAT", "+OK ");
  const std::uint64_t messages = std::strtoull(stat.c_str() + 4, nullptr, 10);
  if (messages == 0) give_up("the maildrop is empty");
  TerminatorCounter counter;
  std::string commands;
  const std::uint64_t octets_before = server.octets;
  const Stopwatch watch;
  for (std::uint64_t i = 1; i <= messages;) {
    commands.clear();
    const std::uint64_t last = std::min(messages, i + window - 1);
    std::uint64_t waited_for = last - i + 1;
    for (; i <= last; ++i) commands += "RETR " + std::to_string(i) + "\r\n";
    server.send(commands);
    while (waited_for > 0) {
      const std::uint64_t found = counter.count(server.receive());
      if (found > waited_for) give_up("more messages than were asked for");
      waited_for -= found;
    }
  }
  report(messages, watch.micros(), server.octets - octets_before);
  server.send("QUIT\r\n");
  server.drain();
}

// --- the floor: what driver, kernel and loopback cost with a server that does nothing
// -----------

/// Answers one client with the same message for every RETR; what came together is answered
/// together.
void serve_one(int fd, std::uint64_t count, const std::string& answer) {
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

void serve(char** argument) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* address = nullptr;
  if (::getaddrinfo(argument[0], argument[1], &hints, &address) != 0) give_up("HOST is an address");
  const int listener = ::socket(address->ai_family, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, address->ai_addr, address->ai_addrlen) != 0 || ::listen(listener, 64) != 0)
    give_up(std::string("cannot listen: ") + std::strerror(errno));
  const std::string answer = "+OK octets\r\n" + stuffed(message(1, number(argument[3]))) + ".\r\n";
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) give_up("accept fails");
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    serve_one(fd, number(argument[2]), answer);
    ::close(fd);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "fill-smtp" && argc == 7) {
    fill_smtp(argv + 2);
  } else if (what == "fill-imap" && argc == 8) {
    fill_imap(argv + 2);
  } else if (what == "login" && argc == 7) {
    logins(argv + 2);
  } else if (what == "retr" && argc == 6) {
    retrieve(argv + 2, 1);
  } else if (what == "serve" && argc == 6) {
    serve(argv + 2);
  } else if (what == "pipe" && argc == 7) {
    retrieve(argv + 2, number(argv[6]));
  } else {
    std::fprintf(stderr, "usage: see the beginning of bench/pop3/driver.cpp\n");
    return 2;
  }
}

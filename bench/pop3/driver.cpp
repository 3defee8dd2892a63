// The client of bench/pop3/run: fills mailboxes and reads them over POP3, with as little work of
// its own as a client can have. One thread, blocking sockets.
//
//   driver fill-smtp HOST PORT RECIPIENT COUNT OCTETS     messages by SMTP, one connection
//   driver fill-imap HOST PORT USER PASSWORD COUNT OCTETS  messages by IMAP MULTIAPPEND
//   driver login     HOST PORT USER PASSWORD COUNT         connect, USER, PASS, STAT, QUIT
//   driver retr      HOST PORT USER PASSWORD               every message, one RETR at a time
//   driver pipe      HOST PORT USER PASSWORD WINDOW        the same, WINDOW RETRs at a time
//   driver crowd     HOST PORT USER PASSWORD SESSIONS      as retr, by SESSIONS clients at once
//   driver serve     HOST PORT COUNT OCTETS                a server that does nothing but answer
//
// Prints "units microseconds octets"; units are messages or logins, and the time leaves out what
// is not asked about (filling: connecting; retr and pipe: the login).
#include <algorithm>
#include <chrono>
#include <memory>
#include <poll.h>

#include "bench/pop3/floor_server.hpp"
#include "bench/pop3/wire.hpp"

namespace {

// Messages of one MULTIAPPEND: a few hundred KiB a command.
constexpr std::uint64_t kAppendBatch = 100;
// RETRs in flight before the kernel's buffers for both ways could fill and both sides wait.
constexpr std::uint64_t kWindowMax = 4096;
// As many as any server's default lets in from one address.
constexpr std::uint64_t kSessionsMax = 64;

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

/// Logged in, and how many messages STAT says.
std::uint64_t open_maildrop(Connection& server, char** argument) {
  log_in(server, argument);
  const std::string stat = server.ask("STAT", "+OK ");
  const std::uint64_t messages = std::strtoull(stat.c_str() + 4, nullptr, 10);
  if (messages == 0) give_up("the maildrop is empty");
  return messages;
}

void retrieve(char** argument, std::uint64_t window) {
  if (window == 0 || window > kWindowMax) give_up("WINDOW is 1 to 4096");
  Connection server(argument[0], argument[1]);
  const std::uint64_t messages = open_maildrop(server, argument);
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

/// Several clients, each fetching everything with one RETR at a time: while one waits for its
/// answer the server has others to serve, as in production.
void crowd(char** argument, std::uint64_t sessions) {
  if (sessions == 0 || sessions > kSessionsMax) give_up("SESSIONS is 1 to 64");
  struct Client {
    std::unique_ptr<Connection> server;
    TerminatorCounter counter;
    std::uint64_t messages = 0;
    std::uint64_t asked = 0;
  };
  std::vector<Client> clients(sessions);
  std::vector<pollfd> waiting;
  std::uint64_t messages = 0;
  for (Client& client : clients) {
    client.server = std::make_unique<Connection>(argument[0], argument[1]);
    client.messages = open_maildrop(*client.server, argument);
    messages += client.messages;
    waiting.push_back({.fd = client.server->fd(), .events = POLLIN, .revents = 0});
  }
  const auto ask_next = [](Client& client) {
    client.server->send("RETR " + std::to_string(++client.asked) + "\r\n");
  };
  std::uint64_t octets = 0;
  for (const Client& client : clients) octets -= client.server->octets;
  const Stopwatch watch;
  for (Client& client : clients) ask_next(client);
  for (std::uint64_t open = sessions; open > 0;) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0) give_up("poll fails");
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      Client& client = clients[i];
      if (client.counter.count(client.server->receive()) == 0) continue;
      if (client.asked < client.messages) {
        ask_next(client);
      } else {
        waiting[i].fd = -1;
        --open;
      }
    }
  }
  const long long micros = watch.micros();
  for (const Client& client : clients) octets += client.server->octets;
  report(messages, micros, octets);
  for (Client& client : clients) {
    client.server->send("QUIT\r\n");
    client.server->drain();
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
    serve(argv[2], argv[3], number(argv[4]), number(argv[5]));
  } else if (what == "crowd" && argc == 7) {
    crowd(argv + 2, number(argv[6]));
  } else if (what == "pipe" && argc == 7) {
    retrieve(argv + 2, number(argv[6]));
  } else {
    std::fprintf(stderr, "usage: see the beginning of bench/pop3/driver.cpp\n");
    return 2;
  }
}

// Connection over real sockets, driven by a small line-echo session.
#include "runtime/connection.hpp"

#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>

#include "runtime/socket_address.hpp"
#include "tests/unit/runtime/test_certificate.hpp"

namespace postern {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
/// Answers every line with itself. "quit" closes, "tls" starts TLS, "wait" asks for an answer,
/// "flood" sends a megabyte, "last" one more and closes.
class EchoSession final : public Session {
 public:
  void on_open(Now) override { output_.bytes += "hello\n"; }
  std::size_t on_input(std::string_view in, Now now) override {
    if (waiting) return 0;
    const std::size_t end = in.find('\n');
    if (end == std::string_view::npos) return 0;
    handle(std::string(in.substr(0, end)), now);
    return end + 1;
  }
  void handle(const std::string& line, Now now) {
    lines.push_back(line);
    if (line == "quit") {
      output_.bytes += "bye\n";
      output_.close = true;
    } else if (line == "tls") {
      output_.bytes += "go\n";
      output_.start_tls = true;
    } else if (line == "wait") {
      waiting = true;
    } else if (line == "flood") {
      flooding = true;
      output_.bytes += std::string(1 << 20, 'x');
    } else if (line == "last") {
      output_.bytes += std::string(1 << 20, 'x') + "bye\n";
      output_.close = true;
    } else if (line == "much") {
      output_.bytes += std::string(200'000, 'm');
    } else if (line == "deadline") {
      output_.deadline = now.mono + milliseconds(50);
    } else {
      output_.bytes += line + "\n";
    }
  }
  void on_tls(const TlsFacts& facts, Now) override { tls_version = facts.version; }
  void on_end_of_input(Now) override {
    ended = true;
    output_.close = true;
  }
  void on_deadline(Now) override { output_.bytes += "late\n"; }
  void on_output_sent(Now) override { ++sent_calls; }
  void on_shutdown(Now) override {
    output_.bytes += "stopping\n";
    output_.close = true;
  }

  std::vector<std::string> lines;
  std::string tls_version;
  bool waiting = false;
  bool flooding = false;
  bool ended = false;
  int sent_calls = 0;
};

class EchoConnection final : public Connection {
 public:
  EchoConnection(EventLoop& event_loop, UniqueFd fd, ConnectionOptions options,
                 std::function<void()> closed)
      : Connection(event_loop, std::move(fd), options), closed_(std::move(closed)) {}
  EchoSession& echo() { return session_; }
  void answer() {
    session_.waiting = false;
    session_.output().bytes += "answered\n";
    resume();
  }

 private:
  Session& session() override { return session_; }
  void after_session_call() override {
    if (!session_.lines.empty() && session_.lines.back() == "abort") abort();
  }
  bool awaiting_answer() const override { return session_.waiting; }
  void on_closed() override { closed_(); }

  EchoSession session_;
  std::function<void()> closed_;
};

/// A loop turned by the test, one connection on it, the client's end of the socket pair.
class ConnectionTest : public ::testing::Test {
 protected:
  void open(ConnectionOptions options = {}, int send_buffer = 0, int receive_buffer = 0) {
    auto made = EventLoop::create({.receive_buffers = 16, .receive_buffer_octets = 4096});
    ASSERT_TRUE(made) << made.error().message;
    loop_ = std::move(*made);
    int ends[2];
    if (options.unix_socket) {
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    } else {
      tcp_pair(ends, receive_buffer);
    }
    if (send_buffer > 0) ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(int));
    client_.reset(ends[1]);
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    connection_ = std::make_unique<EchoConnection>(*loop_, UniqueFd(ends[0]), options,
                                                   [this] { connection_.reset(); });
    connection_->start();
  }
  static void tcp_pair(int (&ends)[2], int receive_buffer = 0) {
    auto listening = listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 1);
    ASSERT_TRUE(listening) << listening.error().message;
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(listening->get(), reinterpret_cast<sockaddr*>(&address), &size);
    ends[1] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)  // before the connection, which agrees on the window's scale
      ::setsockopt(ends[1], SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(int));
    ASSERT_EQ(::connect(ends[1], reinterpret_cast<sockaddr*>(&address), size), 0);
    ends[0] = ::accept(listening->get(), nullptr, nullptr);
    ASSERT_GE(ends[0], 0);
  }
  void TearDown() override {
    if (connection_) {
      client_.reset();
      connection_->abort();
      turn_until([this] { return connection_ == nullptr; });
    }
  }

  /// Turns the loop until `done` or five seconds have passed; the client reads meanwhile.
  bool turn_until(const std::function<bool()>& done, bool read = true) {
    const MonoTime limit = read_clocks().mono + seconds(5);
    while (!done()) {
      if (read_clocks().mono > limit) return false;
      run_once();
      if (read) receive();
    }
    return true;
  }
  void read_some(std::size_t octets_max) {
    std::string buffer(octets_max, '\0');
    const ssize_t got = ::read(client_.get(), buffer.data(), buffer.size());
    if (got > 0) received_.append(buffer, 0, static_cast<std::size_t>(got));
  }
  void run_once() { loop_->turn(milliseconds(1)); }
  void receive() {
    char buffer[65536];
    for (;;) {
      const ssize_t got = client_ ? ::read(client_.get(), buffer, sizeof buffer) : -1;
      if (got <= 0) {
        if (got == 0) client_saw_end_ = true;
        return;
      }
      received_.append(buffer, static_cast<std::size_t>(got));
    }
  }
  void send(std::string_view text) {
    ASSERT_EQ(::send(client_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  bool expect(std::string_view text) {
    return turn_until([&] { return received_ == text; });
  }

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<EchoConnection> connection_;
  UniqueFd client_;
  std::string received_;
  bool client_saw_end_ = false;
};

TEST_F(ConnectionTest, GreetsEchoesAndClosesAfterTheLastOctets) {
  open();
  send("one\ntwo\nquit\nignored\n");
  EXPECT_TRUE(expect("hello\none\ntwo\nbye\n")) << received_;
  client_.reset();
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
}

TEST_F(ConnectionTest, InputSplitAnywhereGivesTheSame) {
  const std::string script = "alpha\nbeta\ngamma\n";
  open();
  for (const char octet : script) {
    send({&octet, 1});
    for (int turn = 0; turn < 3; ++turn) run_once();
  }
  EXPECT_TRUE(expect("hello\n" + script)) << received_;
}

TEST_F(ConnectionTest, MayBeAbortedByWhatASessionAsksFor) {
  open();
  send("one\nabort\n" + std::string(2000, 'x'));
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
}

TEST_F(ConnectionTest, PipelinedInputWaitsForTheAnswer) {
  open();
  send("one\nwait\ntwo\n");
  ASSERT_TRUE(turn_until([this] { return connection_->echo().waiting; }));
  EXPECT_TRUE(expect("hello\none\n"));
  connection_->answer();
  EXPECT_TRUE(expect("hello\none\nanswered\ntwo\n")) << received_;
}

// The end of input that came together with the last octets must not be lost: see Ring::receive().
TEST_F(ConnectionTest, EndOfInputOnAUnixSocketIsSeen) {
  open({.unix_socket = true});
  send("one\ntwo\n");
  ::shutdown(client_.get(), SHUT_WR);
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
  EXPECT_EQ(received_, "hello\none\ntwo\n");
}

TEST_F(ConnectionTest, EndOfInputIsHeldBackUntilTheAnswer) {
  open();
  send("wait\ntwo\n");
  ::shutdown(client_.get(), SHUT_WR);
  ASSERT_TRUE(turn_until([this] { return connection_->echo().waiting; }));
  for (int turn = 0; turn < 10; ++turn) run_once();
  EXPECT_FALSE(connection_->echo().ended);
  connection_->answer();
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
  EXPECT_EQ(received_, "hello\nanswered\ntwo\n");
}

TEST_F(ConnectionTest, LastOctetsReachAClientThatHasEndedItsSide) {
  open({}, 4096);
  send("much\nquit\n");
  ASSERT_TRUE(turn_until([this] { return connection_->echo().lines.size() == 2; }, false));
  ::shutdown(client_.get(), SHUT_WR);
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
  EXPECT_EQ(received_.size(), 6u + 200'000u + 4u);
}

TEST_F(ConnectionTest, LivesOnWhenTheClientVanishesWhileAnAnswerIsOutstanding) {
  open();
  send("wait\n");
  ASSERT_TRUE(turn_until([this] { return connection_->echo().waiting; }));
  client_.reset();
  for (int turn = 0; turn < 20; ++turn) run_once();
  ASSERT_NE(connection_, nullptr);
  connection_->answer();
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
}

TEST_F(ConnectionTest, ReaderThatDoesNotReadStopsTheFeeding) {
  open({}, 4096);
  send("flood\n");
  std::string more;
  for (int line = 0; line < 1000; ++line) more += "line\n";
  send(more);
  for (int turn = 0; turn < 50; ++turn) run_once();
  EXPECT_EQ(connection_->echo().lines.size(), 1u);  // a megabyte is unsent: nothing more is fed
  EXPECT_TRUE(turn_until([&] { return received_.size() == 6 + (1 << 20) + more.size(); }))
      << received_.size();
}

TEST_F(ConnectionTest, InputThatIsNotConsumedStopsTheReceiving) {
  open();
  send("wait\n");
  ASSERT_TRUE(turn_until([this] { return connection_->echo().waiting; }));
  const std::string junk(1 << 16, 'y');
  std::size_t sent = 0;
  int full = 0;  // rounds in a row
  for (int round = 0; round < 2000 && full < 100; ++round) {
    const ssize_t put =
        ::send(client_.get(), junk.data(), junk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put > 0) sent += static_cast<std::size_t>(put);
    full = put > 0 ? 0 : full + 1;
    run_once();
  }
  // What the connection holds and the kernel's socket buffers (some MiB on loopback), not the 128
  // MiB that were offered.
  EXPECT_LT(sent, 16u << 20);
  EXPECT_GT(sent, 64u << 10);
}

// "last" leaves a megabyte when the session closes.
constexpr FlushLimits kShortFlush{.look_interval = milliseconds(200), .total_max = seconds(60)};

TEST_F(ConnectionTest, ASlowReaderGetsEverythingBehindTheClose) {
  open({.flush = kShortFlush}, 4096, 4096);
  send("last\n");
  const std::size_t whole = 6 + (1 << 20) + 4;
  const MonoTime start = read_clocks().mono;
  while (received_.size() < whole && read_clocks().mono < start + seconds(20)) {
    const MonoTime pause = read_clocks().mono + milliseconds(15);
    while (read_clocks().mono < pause) run_once();
    read_some(16 * 1024);
  }
  EXPECT_EQ(received_.size(), whole);
  EXPECT_TRUE(received_.ends_with("bye\n"));
  EXPECT_GT(read_clocks().mono - start, 4 * kShortFlush.look_interval) << "slow enough to count";
}

TEST_F(ConnectionTest, AReaderThatStopsIsCutOffAfterTwoLooks) {
  open({.flush = kShortFlush}, 4096, 4096);
  send("last\n");
  const MonoTime start = read_clocks().mono;
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }, false));
  const Duration took = read_clocks().mono - start;
  EXPECT_GE(took, 2 * kShortFlush.look_interval - milliseconds(20));
  EXPECT_LT(took, seconds(3));
}

TEST_F(ConnectionTest, AReaderThatIsSlowForEverIsCutOffInTheEnd) {
  open({.flush = {.look_interval = milliseconds(100), .total_max = milliseconds(600)}}, 4096, 4096);
  send("last\n");
  const MonoTime start = read_clocks().mono;
  MonoTime next = start;
  EXPECT_TRUE(turn_until(
      [&] {
        if (read_clocks().mono >= next) {
          read_some(8 * 1024);
          next = read_clocks().mono + milliseconds(40);
        }
        return connection_ == nullptr;
      },
      false));
  EXPECT_GE(read_clocks().mono - start, milliseconds(580));
  EXPECT_LT(received_.size(), std::size_t{1} << 20);
}

TEST_F(ConnectionTest, DeadlineRuns) {
  open();
  send("deadline\n");
  EXPECT_TRUE(expect("hello\nlate\n"));
}

TEST_F(ConnectionTest, ShutdownReachesTheSession) {
  open();
  ASSERT_TRUE(expect("hello\n"));
  connection_->begin_shutdown();
  EXPECT_TRUE(expect("hello\nstopping\n"));
}

TEST_F(ConnectionTest, StartTlsDiscardsClearTextAndThenEncrypts) {
  const test::Certificate certificate;
  const TlsSlot slot = test::slot_of(certificate);
  open({.tls = &slot});
  send("tls\ninjected\n");
  ASSERT_TRUE(expect("hello\ngo\n"));
  received_.clear();
  test::TlsClient client(certificate);
  const auto exchange = [&](const std::function<bool()>& done) {
    return turn_until([&] {
      receive();
      const std::string out = client.step(std::exchange(received_, {}));
      if (!out.empty()) send(out);
      return done();
    });
  };
  ASSERT_TRUE(exchange([&] { return client.connected(); }));
  client.write("secret\nquit\n");
  EXPECT_TRUE(exchange([&] { return client.clear() == "secret\nbye\n"; })) << client.clear();
}

/// A client that has been greeted under TLS.
class EncryptedConnectionTest : public ConnectionTest {
 protected:
  void SetUp() override {
    open({.tls = &slot_, .implicit_tls = true});
    ASSERT_TRUE(exchange([this] { return client_side_.clear() == "hello\n"; }));
  }
  bool exchange(const std::function<bool()>& done) {
    return turn_until([&] {
      receive();
      const std::string out = client_side_.step(std::exchange(received_, {}));
      if (!out.empty() && connection_) send(out);
      return done();
    });
  }
  std::string encrypted(const std::string& text) {
    client_side_.write(text);
    return client_side_.step({});
  }

  const test::Certificate certificate_;
  const TlsSlot slot_ = test::slot_of(certificate_);
  test::TlsClient client_side_{certificate_};
};

TEST_F(EncryptedConnectionTest, CommandInFrontOfABadRecordHarmsNobody) {
  send(encrypted("one\n") + "XXXXX");
  EXPECT_TRUE(turn_until([this] { return client_saw_end_; }));
  EXPECT_TRUE(connection_ == nullptr || connection_->echo().ended) << "the session is told";
}

TEST_F(EncryptedConnectionTest, BadRecordWhileAnAnswerIsOutstanding) {
  send(encrypted("wait\n"));
  ASSERT_TRUE(turn_until([this] { return connection_->echo().waiting; }));
  send("XXXXX");
  ASSERT_TRUE(turn_until([this] { return connection_->echo().ended; }));
  connection_->answer();
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
}

TEST_F(EncryptedConnectionTest, NothingIsKeptOfWhatFollowsCloseNotify) {
  send(encrypted("wait\n"));
  ASSERT_TRUE(turn_until([this] { return connection_->echo().waiting; }));
  SSL_shutdown(client_side_.ssl());
  send(client_side_.step({}));
  const std::string junk(1 << 15, 'y');  // a turn's: more than the buffers hold ends receiving
  std::size_t sent = 0;
  for (int round = 0; round < 4000; ++round) {
    const ssize_t put =
        ::send(client_.get(), junk.data(), junk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put > 0) sent += static_cast<std::size_t>(put);
    run_once();
  }
  // It is dropped, and after 64 MiB not even received any more; 125 MiB were offered.
  EXPECT_GT(sent, 64u << 20);
  EXPECT_LT(sent, 96u << 20);
  connection_->answer();
  EXPECT_TRUE(turn_until([this] { return connection_ == nullptr; }));
}

TEST_F(EncryptedConnectionTest, AnswerStillLeavesAfterCloseNotify) {
  send(encrypted("wait\n"));
  ASSERT_TRUE(turn_until([this] { return connection_->echo().waiting; }));
  SSL_shutdown(client_side_.ssl());
  send(client_side_.step({}) + "behind the end");
  for (int turn = 0; turn < 10; ++turn) run_once();
  EXPECT_FALSE(connection_->echo().ended);
  connection_->answer();
  EXPECT_TRUE(exchange([this] { return client_side_.clear() == "hello\nanswered\n"; }))
      << client_side_.clear();
}

TEST_F(ConnectionTest, PlainTextOnAnImplicitTlsPortIsCutOff) {
  const test::Certificate certificate;
  const TlsSlot slot = test::slot_of(certificate);
  open({.tls = &slot, .implicit_tls = true});
  send("EHLO example.org\r\n");
  EXPECT_TRUE(turn_until([this] { return client_saw_end_; }));
  EXPECT_EQ(received_.find("hello"), std::string::npos);
}

}  // namespace
}  // namespace postern

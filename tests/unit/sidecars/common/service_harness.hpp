// A MailService with everything around it: a loop that the test turns, a pool of one worker, a
// gateway and a store, and connections whose sessions ask what the test wants.
#pragma once

#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "sidecars/common/mail_connection.hpp"
#include "sidecars/common/mail_service.hpp"
#include "tests/unit/sidecars/common/fake_gateway.hpp"
#include "tests/unit/store/row_store.hpp"

namespace postern::sidecars::test {

/// Asks `next` at the first octet that comes; keeps what is answered.
class AskingSession final : public MailSession {
 public:
  void on_open(Now) override { output_.bytes = "hello\n"; }
  std::size_t on_input(std::string_view in, Now) override {
    if (next) request_ = std::exchange(next, std::nullopt);
    return in.size();
  }
  void on_tls(const TlsFacts&, Now) override {}
  void on_end_of_input(Now) override { output_.close = true; }
  void on_deadline(Now) override {}
  void on_shutdown(Now) override { output_.close = true; }
  void on_reply(MailReply reply, Now) override {
    replies.push_back(std::move(reply));
    if (then) request_ = std::exchange(then, std::nullopt);
  }
  void on_mailbox_changed(Now) override { ++changes; }
  void watch(store::MailboxId mailbox) { watched_ = mailbox; }

  std::optional<MailRequest> next;
  std::optional<MailRequest> then;  ///< asked when the answer to `next` is there
  std::vector<MailReply> replies;
  int changes = 0;
};

struct RecordingTlsObserver final : TlsObserver {
  void tls_opened(const std::string& client, const TlsFacts&) override { opened.push_back(client); }
  void tls_failed(const std::string& client, const std::string&) override {
    failed.push_back(client);
  }
  std::vector<std::string> opened;
  std::vector<std::string> failed;
};

/// Occupies a pool's only worker until it is let go.
class BlockedWorker {
 public:
  explicit BlockedWorker(WorkerPool& pool) {
    std::promise<void> running;
    auto runs = running.get_future();
    EXPECT_TRUE(
        pool.submit([running = std::move(running), released = released_.get_future()]() mutable {
          running.set_value();
          released.wait();
        }));
    runs.wait();
  }
  ~BlockedWorker() { release(); }
  void release() {
    if (!std::exchange(done_, true)) released_.set_value();
  }

 private:
  std::promise<void> released_;
  bool done_ = false;
};

/// A client's socket and the session behind it.
struct TestClient {
  UniqueFd socket;
  AskingSession* session = nullptr;  ///< as long as the connection lives

  void ask(MailRequest request) {
    session->next = std::move(request);
    EXPECT_EQ(::send(socket.get(), "x", 1, MSG_NOSIGNAL), 1);
  }
};

struct ServiceHarness : testing::Test {
  static constexpr store::MailboxId kInbox{3};

  void SetUp() override {
    auto made = EventLoop::create({.receive_buffers = 16, .receive_buffer_octets = 4096});
    ASSERT_TRUE(made) << made.error().message;
    loop = std::move(*made);
    rows.create_mailbox(kInbox);
    rows.deliver(kInbox);
  }
  void TearDown() override {
    connections.for_each([](MailConnection& connection) { connection.abort(); });
    if (service) service->stop();
    EXPECT_TRUE(
        turn_until([this] { return connections.empty() && (!service || service->stopped()); }));
    workers.reset();
  }
  /// The pool holds one job that runs and `queue_max` that wait.
  void start(std::size_t queue_max = 100) {
    workers = std::make_unique<WorkerPool>(1, queue_max, "test");
    service =
        std::make_unique<MailService>(*loop, view, *workers, 1, path("service"), "pop3", timing);
    service->start();
  }
  void open_gateway() {
    gateway = std::make_unique<FakeGateway>(path("service"));
    gateway->hello = {.gateway_epoch = 1, .store_path = path("store"), .position = 0};
  }
  /// A gateway is there and the service may ask it.
  void start_with_gateway(std::size_t queue_max = 100) {
    open_gateway();
    start(queue_max);
    ASSERT_TRUE(turn_until([this] { return service->ready(); }));
  }
  TestClient connect(PeerFacts peer = {.address = "192.0.2.7"}, ConnectionOptions options = {}) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    auto session = std::make_unique<AskingSession>();
    TestClient client{UniqueFd(ends[1]), session.get()};
    options.unix_socket = true;
    connections
        .add(std::make_unique<MailConnection>(*service, connections, tls, *loop,
                                              Arrival{.fd = UniqueFd(ends[0]),
                                                      .peer = std::move(peer),
                                                      .early_input = {},
                                                      .admission = {}},
                                              OwnedSession{nullptr, std::move(session)}, options))
        .start();
    return client;
  }
  bool turn_until(const std::function<bool()>& done) {
    const MonoTime end = read_clocks().mono + std::chrono::seconds(10);
    while (!done()) {
      if (read_clocks().mono > end) return false;
      loop->turn(std::chrono::milliseconds(1));
      if (gateway) gateway->turn();
    }
    return true;
  }
  std::string path(const std::string& name) const { return folder.path() + "/" + name; }

  store::test::TemporaryFolder folder;
  store::test::RowStore rows{path("store")};
  SharedView view{path("scratch")};
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<FakeGateway> gateway;
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<MailService> service;
  LinkTiming timing;
  RecordingTlsObserver tls;
  ConnectionSet<MailConnection> connections;
};

}  // namespace postern::sidecars::test

// The blocking client against a real socket.
#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "store/rpc/blocking_client.hpp"
#include "store/rpc/service_session.hpp"

namespace postern::store::rpc {
namespace {

using namespace std::chrono_literals;

/// A store service for one connection after the other, with canned answers, on a thread of its own.
class TestService {
 public:
  using Answer = std::function<Result<ReplyBody>(const RequestBody&)>;

  explicit TestService(Answer answer) : answer_(std::move(answer)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-rpc-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/sock";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(path_, address.sun_path);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    thread_ = std::thread([this] { run(); });
  }
  ~TestService() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
    std::filesystem::remove_all(folder_);
  }
  const std::string& path() const { return path_; }

 private:
  static bool ready(int fd) {
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 10) > 0;
  }
  void run() {
    while (!stop_) {
      if (!ready(listener_)) continue;
      const int fd = ::accept(listener_, nullptr, nullptr);
      serve(fd);
      ::close(fd);
    }
  }
  void serve(int fd) {
    ServiceSession session(Rights{true, true});
    session.on_open({});
    std::string input;
    while (!stop_) {
      if (!ready(fd)) continue;
      std::array<char, 777> octets;
      const ssize_t n = ::recv(fd, octets.data(), octets.size(), 0);
      if (n <= 0) return;
      input.append(octets.data(), static_cast<std::size_t>(n));
      input.erase(0, session.on_input(input, {}));
      while (auto request = session.take_request()) {
        session.reply(request->id, answer_(request->body));
        if (const auto* subscribe = std::get_if<Subscribe>(&request->body)) {
          session.on_output_sent({});
          session.notify(Changed{subscribe->mailbox, 41, 42});
          session.notify(Changed{subscribe->mailbox, 43, 44});
        }
      }
      std::string& out = session.output().bytes;
      while (!out.empty()) {
        const ssize_t sent =
            ::send(fd, out.data(), std::min<std::size_t>(out.size(), 100), MSG_NOSIGNAL);
        if (sent <= 0) return;
        out.erase(0, static_cast<std::size_t>(sent));
      }
      session.on_output_sent({});
      if (session.output().close) return;
    }
  }

  Answer answer_;
  std::string folder_;
  std::string path_;
  int listener_ = -1;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

Result<ReplyBody> greet(const RequestBody& request) {
  if (std::holds_alternative<Hello>(request)) {
    return HelloReply{.gateway_epoch = 9, .store_path = "/store", .position = 3};
  }
  return fail(ErrorCode::unsupported, "not in this test");
}

TEST(RpcBlockingClient, ExchangesHello) {
  TestService service(greet);
  auto client = BlockingClient::connect(service.path());
  ASSERT_TRUE(client.has_value()) << client.error().message;
  EXPECT_EQ(client->hello().gateway_epoch, 9u);
  EXPECT_EQ(client->hello().store_path, "/store");
  EXPECT_TRUE(client->ping().has_value());
}

TEST(RpcBlockingClient, FetchesListsPageByPage) {
  std::vector<std::string> all;
  for (int i = 10'000; i < 12'500; ++i) all.push_back("d" + std::to_string(i) + ".example");
  int pages = 0;
  TestService service([&](const RequestBody& request) -> Result<ReplyBody> {
    const auto* list = std::get_if<DomainList>(&request);
    if (list == nullptr) return greet(request);
    ++pages;
    DomainListReply reply;
    for (const std::string& name : all) {
      if (name <= list->after) continue;
      reply.more = reply.domains.size() == list->limit;
      if (reply.more) break;
      reply.domains.push_back(name);
    }
    return reply;
  });
  auto client = BlockingClient::connect(service.path());
  ASSERT_TRUE(client.has_value());
  const auto domains = client->domain_list();
  ASSERT_TRUE(domains.has_value()) << domains.error().message;
  EXPECT_EQ(*domains, all);
  EXPECT_EQ(pages, 3);
}

TEST(RpcBlockingClient, PassesTheServicesErrorsOn) {
  TestService service([](const RequestBody& request) -> Result<ReplyBody> {
    if (std::holds_alternative<UserAdd>(request)) {
      return fail(ErrorCode::already_exists, "ann@example.org exists already");
    }
    return greet(request);
  });
  auto client = BlockingClient::connect(service.path());
  ASSERT_TRUE(client.has_value());
  const auto added = client->user_add("ann@example.org", "pw", {});
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code, ErrorCode::already_exists);
  EXPECT_EQ(added.error().message, "ann@example.org exists already");
  EXPECT_TRUE(client->is_open());
  const auto too_long = client->domain_add(std::string(5000, 'x'));
  EXPECT_EQ(too_long.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(client->ping().has_value());
}

TEST(RpcBlockingClient, ReceivesChanges) {
  TestService service([](const RequestBody& request) -> Result<ReplyBody> {
    if (std::holds_alternative<Subscribe>(request)) return PositionReply{40};
    return greet(request);
  });
  auto client = BlockingClient::connect(service.path(), "test");
  ASSERT_TRUE(client.has_value());
  EXPECT_EQ(client->subscribe(MailboxId{6}).value().position, 40u);
  EXPECT_TRUE(client->send_view_position(40).has_value());
  const auto changed = client->wait_changed(2s);
  ASSERT_TRUE(changed.has_value() && changed->has_value());
  EXPECT_EQ((*changed)->mailbox, MailboxId{6});
  Result<std::optional<Changed>> next = changed;
  while (next && *next && (*next)->modseq != 43) next = client->wait_changed(2s);
  ASSERT_TRUE(next.has_value() && next->has_value());
  const auto none = client->wait_changed(20ms);
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->has_value());
  EXPECT_TRUE(client->is_open());
}

TEST(RpcBlockingClient, NobodyThereIsSaidWithARemedy) {
  const std::string path = std::filesystem::temp_directory_path() / "postern-no-such-socket";
  const auto client = BlockingClient::connect(path);
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code, ErrorCode::unavailable);
  EXPECT_NE(client.error().message.find("is postern-gateway running?"), std::string::npos);
  EXPECT_NE(client.error().message.find(path), std::string::npos);
  const auto too_long = BlockingClient::connect(std::string(200, 'p'));
  ASSERT_FALSE(too_long.has_value());
  EXPECT_EQ(too_long.error().code, ErrorCode::invalid_argument);
}

TEST(RpcBlockingClient, GivesUpAtTheDeadline) {
  std::atomic<bool> release = false;
  TestService service([&](const RequestBody& request) -> Result<ReplyBody> {
    if (std::holds_alternative<DomainAdd>(request)) {
      while (!release) std::this_thread::sleep_for(1ms);
      return Done{};
    }
    return greet(request);
  });
  auto client = BlockingClient::connect(service.path(), "cli", 100ms);
  ASSERT_TRUE(client.has_value());
  const auto started = std::chrono::steady_clock::now();
  const auto added = client->domain_add("example.org");
  const auto took = std::chrono::steady_clock::now() - started;
  release = true;
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code, ErrorCode::unavailable);
  EXPECT_GE(took, 100ms);
  EXPECT_LT(took, 5s);
  EXPECT_FALSE(client->is_open());
  EXPECT_FALSE(client->ping().has_value());
}

TEST(RpcBlockingClient, SaysWhyTheServiceGivesUp) {
  TestService service([](const RequestBody&) -> Result<ReplyBody> {
    return fail(ErrorCode::unsupported, "restart both after an upgrade");
  });
  const auto client = BlockingClient::connect(service.path());
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code, ErrorCode::unsupported);
  EXPECT_EQ(client.error().message, "restart both after an upgrade");
}

TEST(RpcBlockingClient, NoticesTheServiceGone) {
  std::optional<BlockingClient> client;
  {
    TestService service(greet);
    auto connected = BlockingClient::connect(service.path());
    ASSERT_TRUE(connected.has_value());
    client = std::move(*connected);
  }
  const auto answer = client->ping();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::unavailable);
  EXPECT_FALSE(client->is_open());
}

}  // namespace
}  // namespace postern::store::rpc

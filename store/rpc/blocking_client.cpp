#include "store/rpc/blocking_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "runtime/assert.hpp"

namespace postern::store::rpc {

namespace {

using Clock = std::chrono::steady_clock;

/// Received in one go: a page of a list is some 100 KiB.
constexpr std::size_t kReceiveOctets = 16 * 1024;

std::string os_error(int number) { return std::strerror(number); }

/// Waits until `fd` is ready for `events`. 0: ready; else an errno, ETIMEDOUT at the deadline.
int wait_ready(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
    const int ready = ::poll(&entry, 1, timeout_ms);
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
    if (Clock::now() >= deadline) return ETIMEDOUT;
  }
}

}  // namespace

BlockingClient::BlockingClient(std::string socket_path, std::string client_name,
                               std::chrono::milliseconds call_timeout)
    : path_(std::move(socket_path)), call_timeout_(call_timeout), core_(std::move(client_name)) {}

BlockingClient::BlockingClient(BlockingClient&& other) noexcept
    : path_(std::move(other.path_)),
      call_timeout_(other.call_timeout_),
      fd_(std::exchange(other.fd_, -1)),
      core_(std::move(other.core_)),
      changes_(std::move(other.changes_)),
      hello_(std::move(other.hello_)) {}

BlockingClient& BlockingClient::operator=(BlockingClient&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) ::close(fd_);
  path_ = std::move(other.path_);
  call_timeout_ = other.call_timeout_;
  fd_ = std::exchange(other.fd_, -1);
  core_ = std::move(other.core_);
  changes_ = std::move(other.changes_);
  hello_ = std::move(other.hello_);
  return *this;
}

BlockingClient::~BlockingClient() {
  if (fd_ >= 0) ::close(fd_);
}

Result<BlockingClient> BlockingClient::connect(std::string socket_path, std::string client_name,
                                               std::chrono::milliseconds call_timeout) {
  BlockingClient client(std::move(socket_path), std::move(client_name), call_timeout);
  if (Result<void> opened = client.open(); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  return client;
}

Error BlockingClient::not_there(int error_number) const {
  switch (error_number) {
    case ENOENT:
    case ECONNREFUSED:
      return {ErrorCode::unavailable, "is postern-gateway running? nobody listens on " + path_};
    case EACCES:
    case EPERM:
      return {ErrorCode::permission_denied,
              "no permission to use " + path_ +
                  ": run this as root or as the user that postern-gateway runs as"};
    case ETIMEDOUT:
    case EAGAIN:
      return {ErrorCode::unavailable, "is postern-gateway running? no answer on " + path_ +
                                          " within " + std::to_string(call_timeout_.count()) +
                                          " ms"};
    default:
      return {ErrorCode::unavailable,
              "is postern-gateway running? " + path_ + ": " + os_error(error_number)};
  }
}

Result<void> BlockingClient::open() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof(address.sun_path)) {
    return fail(ErrorCode::invalid_argument, "the socket path \"" + path_ +
                                                 "\" is empty or longer than " +
                                                 std::to_string(sizeof(address.sun_path) - 1) +
                                                 " octets: set store.socket to a shorter one");
  }
  std::ranges::copy(path_, address.sun_path);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return fail(ErrorCode::io, "cannot make a socket: " + os_error(errno));
  const Deadline deadline = Clock::now() + call_timeout_;
  // A Unix socket connects at once or says EAGAIN while the listener's backlog is full.
  while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int number = errno;
    if (number == EINTR) continue;
    if (number != EAGAIN || Clock::now() >= deadline) return close_with(not_there(number));
    ::poll(nullptr, 0, 10);
  }
  while (!core_.hello()) {
    if (Result<void> moved = turn(deadline); !moved) return moved;
  }
  hello_ = *core_.hello();
  return {};
}

std::unexpected<Error> BlockingClient::close_with(Error error) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  return std::unexpected(std::move(error));
}

/// Sends what is queued, then waits for octets and digests them.
Result<void> BlockingClient::turn(Deadline deadline) {
  if (Result<void> sent = flush(deadline); !sent) return sent;
  if (const int number = wait_ready(fd_, POLLIN, deadline); number != 0) {
    return close_with(not_there(number));
  }
  return receive();
}

Result<void> BlockingClient::flush(Deadline deadline) {
  std::string& out = core_.output();
  std::size_t sent = 0;
  while (sent < out.size()) {
    const ssize_t n = ::send(fd_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n >= 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    int number = errno;
    if (number == EINTR) continue;
    if (number == EAGAIN) number = wait_ready(fd_, POLLOUT, deadline);
    if (number == 0) continue;
    // The service may have said why before it hung up.
    if (number == EPIPE || number == ECONNRESET) break;
    return close_with(not_there(number));
  }
  out.clear();
  return {};
}

Result<void> BlockingClient::receive() {
  std::array<char, kReceiveOctets> octets;
  const ssize_t n = ::recv(fd_, octets.data(), octets.size(), 0);
  if (n < 0) {
    if (errno == EINTR || errno == EAGAIN) return {};
    return close_with(not_there(errno));
  }
  if (n == 0) {
    return close_with({ErrorCode::unavailable,
                       "postern-gateway closed the connection on " + path_ +
                           ": its log says why; if it was stopped, start it and try again"});
  }
  Result<void> fed = core_.on_input({octets.data(), static_cast<std::size_t>(n)});
  if (!fed) return close_with(std::move(fed.error()));
  return {};
}

Result<ReplyBody> BlockingClient::call(RequestBody request) {
  POSTERN_ASSERT(!std::holds_alternative<ViewPosition>(request));
  POSTERN_ASSERT(!std::holds_alternative<Hello>(request));
  if (!is_open()) {
    return fail(ErrorCode::unavailable, "the connection to " + path_ + " is closed");
  }
  const Deadline deadline = Clock::now() + call_timeout_;
  const Result<std::uint64_t> id = core_.send(std::move(request));
  if (!id) return std::unexpected(id.error());
  for (;;) {
    if (Result<void> moved = turn(deadline); !moved) return std::unexpected(moved.error());
    std::optional<Reply> answer;
    for (ClientCore::Event& event : core_.take_events()) {
      if (auto* reply = std::get_if<Reply>(&event)) {
        if (reply->id == *id) answer = std::move(*reply);
      } else {
        remember(std::get<Changed>(event));
      }
    }
    if (answer) return std::move(answer->body);
  }
}

void BlockingClient::remember(const Changed& changed) {
  const auto same = std::ranges::find(changes_, changed.mailbox, &Changed::mailbox);
  if (same != changes_.end()) {
    *same = changed;
  } else {
    changes_.push_back(changed);
  }
}

Result<std::optional<Changed>> BlockingClient::wait_changed(std::chrono::milliseconds timeout) {
  if (!is_open()) {
    return fail(ErrorCode::unavailable, "the connection to " + path_ + " is closed");
  }
  const Deadline deadline = Clock::now() + timeout;
  if (Result<void> sent = flush(deadline); !sent) return std::unexpected(sent.error());
  while (changes_.empty()) {
    const int number = wait_ready(fd_, POLLIN, deadline);
    if (number == ETIMEDOUT) return std::nullopt;
    if (number != 0) return close_with(not_there(number));
    if (Result<void> fed = receive(); !fed) return std::unexpected(fed.error());
    for (ClientCore::Event& event : core_.take_events()) {
      if (const auto* changed = std::get_if<Changed>(&event)) remember(*changed);
    }
  }
  const Changed changed = changes_.front();
  changes_.erase(changes_.begin());
  return changed;
}

template <class T>
Result<T> BlockingClient::expect(RequestBody request) {
  Result<ReplyBody> reply = call(std::move(request));
  if (!reply) return std::unexpected(std::move(reply.error()));
  return std::get<T>(std::move(*reply));  // ClientCore checked that it is this kind
}

Result<void> BlockingClient::expect_done(RequestBody request) {
  Result<Done> done = expect<Done>(std::move(request));
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

Result<void> BlockingClient::ping() { return expect_done(Ping{}); }

Result<void> BlockingClient::domain_add(std::string domain) {
  return expect_done(DomainAdd{std::move(domain)});
}

Result<void> BlockingClient::domain_delete(std::string domain) {
  return expect_done(DomainDelete{std::move(domain)});
}

Result<std::vector<std::string>> BlockingClient::domain_list() {
  std::vector<std::string> all;
  for (;;) {
    auto page = expect<DomainListReply>(
        DomainList{.after = all.empty() ? std::string() : all.back(), .limit = kListEntriesMax});
    if (!page) return std::unexpected(std::move(page.error()));
    const bool more = page->more && !page->domains.empty();
    std::ranges::move(page->domains, std::back_inserter(all));
    if (!more) return all;
  }
}

Result<void> BlockingClient::user_add(std::string name, std::string password,
                                      std::vector<std::string> aliases) {
  return expect_done(UserAdd{std::move(name), std::move(password), std::move(aliases)});
}

Result<void> BlockingClient::user_delete(std::string name) {
  return expect_done(UserDelete{std::move(name)});
}

Result<void> BlockingClient::user_send_as(std::string name, std::string address, bool granted) {
  return expect_done(UserSendAs{std::move(name), std::move(address), granted});
}

Result<void> BlockingClient::user_password(std::string name, std::string password) {
  return expect_done(UserPassword{std::move(name), std::move(password)});
}

Result<void> BlockingClient::user_set(std::string name, AccountSettingsChange change) {
  return expect_done(UserSet{std::move(name), change});
}

Result<std::vector<UserEntry>> BlockingClient::user_list() {
  std::vector<UserEntry> all;
  for (;;) {
    auto page = expect<UserListReply>(
        UserList{.after = all.empty() ? std::string() : all.back().name, .limit = kListEntriesMax});
    if (!page) return std::unexpected(std::move(page.error()));
    const bool more = page->more && !page->users.empty();
    std::ranges::move(page->users, std::back_inserter(all));
    if (!more) return all;
  }
}

Result<QueueListReply> BlockingClient::queue_list(std::uint32_t limit) {
  return expect<QueueListReply>(QueueList{limit});
}

Result<AuthenticateReply> BlockingClient::authenticate(Authenticate request) {
  return expect<AuthenticateReply>(std::move(request));
}

Result<MutationReply> BlockingClient::mutate(Mutation mutation) {
  return expect<MutationReply>(Mutate{std::move(mutation)});
}

Result<PositionReply> BlockingClient::subscribe(MailboxId mailbox) {
  return expect<PositionReply>(Subscribe{mailbox});
}

Result<void> BlockingClient::unsubscribe(MailboxId mailbox) {
  return expect_done(Unsubscribe{mailbox});
}

Result<void> BlockingClient::send_view_position(StorePosition position) {
  if (!is_open()) {
    return fail(ErrorCode::unavailable, "the connection to " + path_ + " is closed");
  }
  const Result<std::uint64_t> sent = core_.send(ViewPosition{position});
  POSTERN_ASSERT(sent.has_value());
  return flush(Clock::now() + call_timeout_);
}

}  // namespace postern::store::rpc

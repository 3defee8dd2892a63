#include "sidecars/common/store_link.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>
#include <vector>

#include "runtime/assert.hpp"
#include "runtime/connection.hpp"
#include "store/rpc/client_core.hpp"

namespace postern::sidecars {

namespace {

using namespace store::rpc;

// Pauses between attempts to connect: short at first, for a gateway that restarts is back within a
// second.
constexpr Duration kBackoffMin = std::chrono::milliseconds(20);
constexpr Duration kBackoffMax = std::chrono::milliseconds(500);
// Requests that may wait for a gateway that is not there. More logins than this are refused at
// once.
constexpr std::size_t kWaitingMax = 10'000;

/// ClientCore in the shape that a Connection drives.
class LinkSession final : public Session {
 public:
  explicit LinkSession(const std::string& client_name) : core_(client_name) {}
  void on_open(Now) override { take_output(); }
  std::size_t on_input(std::string_view in, Now) override {
    heard_ = true;
    if (!core_.on_input(in)) output_.close = true;
    take_output();
    return in.size();
  }
  void on_tls(const TlsFacts&, Now) override {}
  void on_end_of_input(Now) override { output_.close = true; }
  void on_deadline(Now) override {}
  void on_shutdown(Now) override { output_.close = true; }

  ClientCore& core() noexcept { return core_; }
  /// Whether anything came since the last call.
  bool take_heard() noexcept { return std::exchange(heard_, false); }
  void take_output() {
    output_.bytes.append(core_.output());
    core_.output().clear();
  }

 private:
  ClientCore core_;
  bool heard_ = false;
};

/// A connected Unix socket, or an invalid descriptor. Connecting to a Unix socket does not wait: it
/// succeeds, or there is nobody, or the backlog is full.
UniqueFd connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return {};
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  // io_uring waits for readiness by itself, but only on a blocking descriptor.
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  return fd;
}

}  // namespace

/// The socket of one connected link.
class LinkConnection final : public Connection {
 public:
  LinkConnection(StoreLink& link, EventLoop& event_loop, UniqueFd fd,
                 const std::string& client_name)
      : Connection(event_loop, std::move(fd), {.unix_socket = true}),
        link_(link),
        session_(client_name) {}

  ClientCore& core() noexcept { return session_.core(); }
  bool take_heard() noexcept { return session_.take_heard(); }
  void send() {
    session_.take_output();
    resume();
  }

 private:
  Session& session() override { return session_; }
  bool awaiting_answer() const override { return false; }
  void on_closed() override { link_.on_lost(); }
  void after_session_call() override {
    if (!said_hello_ && session_.core().hello()) {
      said_hello_ = true;
      link_.events_.on_hello(*session_.core().hello());
    }
    for (ClientCore::Event& event : session_.core().take_events()) {
      if (auto* reply = std::get_if<Reply>(&event)) {
        link_.on_reply(std::move(*reply));
      } else {
        link_.events_.on_changed(std::get<Changed>(event));
      }
    }
  }

  StoreLink& link_;
  LinkSession session_;
  bool said_hello_ = false;
};

StoreLink::StoreLink(EventLoop& loop, std::string socket_path, std::string client_name,
                     Events events, LinkTiming timing)
    : loop_(loop),
      socket_path_(std::move(socket_path)),
      client_name_(std::move(client_name)),
      events_(std::move(events)),
      timing_(timing),
      timer_(this, [](void* owner, Now now) { static_cast<StoreLink*>(owner)->on_timer(now); }) {}

StoreLink::~StoreLink() = default;

void StoreLink::start() {
  backoff_ = kBackoffMin;
  connect();
  arm_timer();
}

void StoreLink::connect() {
  UniqueFd fd = connect_unix(socket_path_);
  if (!fd) return retry_later();
  silent_ticks_ = 0;
  connection_ = std::make_unique<LinkConnection>(*this, loop_, std::move(fd), client_name_);
  connection_->start();
}

void StoreLink::retry_later() {
  reconnect_at_ = loop_.now().mono + backoff_;
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
}

void StoreLink::arm_timer() {
  MonoTime next = loop_.now().mono + timing_.tick;
  if (!connection_) next = std::min(next, reconnect_at_);
  loop_.timers().arm(timer_, next);
}

void StoreLink::on_timer(Now now) {
  if (stopping_) return;
  if (!connection_) {
    if (now.mono >= reconnect_at_) connect();
  } else {
    watch_silence();
  }
  give_up_overdue(now.mono);
  arm_timer();
}

// Counts turns of the timer and not seconds, so that a process that was stopped for a while looks
// into its socket before it believes that nobody is there.
void StoreLink::watch_silence() {
  if (connection_->take_heard()) {
    silent_ticks_ = 0;
    return;
  }
  ++silent_ticks_;
  if (silent_ticks_ >= timing_.silent_ticks_max) return connection_->abort();
  if (silent_ticks_ == timing_.ping_ticks && connection_->core().send(Ping{})) connection_->send();
}

void StoreLink::give_up_overdue(MonoTime now) {
  std::vector<Call> overdue;
  while (!waiting_.empty() && waiting_.front().expires <= now) {
    overdue.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  for (auto next = outstanding_.begin(); next != outstanding_.end();) {
    if (next->second.expires > now) {
      ++next;
      continue;
    }
    if (next->second.late) late_.emplace(next->first, std::move(next->second.late));
    overdue.push_back(std::move(next->second));
    next = outstanding_.erase(next);
  }
  // Answered at the end: whoever is told may ask for something else.
  for (Call& call : overdue) {
    call.answer(fail(ErrorCode::unavailable, "no answer from the gateway in time"));
  }
}

void StoreLink::ready() {
  if (!connection_) return;
  ready_ = true;
  backoff_ = kBackoffMin;
  std::deque<Call> calls;
  calls.swap(waiting_);
  for (Call& call : calls) send(std::move(call));
}

void StoreLink::call(RequestBody request, Answer answer, Answer late) {
  Call call{.request = std::move(request),
            .answer = std::move(answer),
            .late = std::move(late),
            .expires = loop_.now().mono + timing_.call};
  if (ready_) return send(std::move(call));
  if (stopping_ || waiting_.size() >= kWaitingMax) {
    loop_.post([answer = std::move(call.answer)]() mutable {
      answer(fail(ErrorCode::unavailable, "the gateway is not there"));
    });
    return;
  }
  waiting_.push_back(std::move(call));
}

void StoreLink::tell(RequestBody message) {
  if (!ready_) return;
  if (connection_->core().send(std::move(message))) connection_->send();
}

void StoreLink::send(Call call) {
  auto id = connection_->core().send(call.request);
  if (!id) {
    loop_.post([answer = std::move(call.answer), error = id.error()]() mutable {
      answer(std::unexpected(std::move(error)));
    });
    return;
  }
  outstanding_.emplace(*id, std::move(call));
  connection_->send();
}

void StoreLink::on_reply(Reply reply) {
  const auto found = outstanding_.find(reply.id);
  if (found == outstanding_.end()) {  // a ping's, or one that came too late
    if (auto late = late_.extract(reply.id)) late.mapped()(std::move(reply.body));
    return;
  }
  Call call = std::move(found->second);
  outstanding_.erase(found);
  call.answer(std::move(reply.body));
}

void StoreLink::on_lost() {
  const std::unique_ptr<LinkConnection> gone = std::move(connection_);
  ready_ = false;
  for (auto& [id, call] : outstanding_) waiting_.push_back(std::move(call));
  outstanding_.clear();
  late_.clear();
  std::sort(waiting_.begin(), waiting_.end(),
            [](const Call& left, const Call& right) { return left.expires < right.expires; });
  if (stopping_) return;
  events_.on_lost();
  retry_later();
  arm_timer();
}

void StoreLink::start_over() {
  if (connection_) connection_->abort();
}

void StoreLink::stop() {
  stopping_ = true;
  ready_ = false;
  loop_.timers().disarm(timer_);
  if (connection_) connection_->abort();
}

}  // namespace postern::sidecars

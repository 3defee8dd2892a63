#include "runtime/listener.hpp"

#include <algorithm>
#include <cerrno>

#include "runtime/assert.hpp"

namespace postern {

namespace {

// After accept failed for want of descriptors or memory: time for some connections to end. Without
// the pause the loop would spin, for the kernel reports the same shortage at once again.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

Listener::Listener(EventLoop& loop, UniqueFd listening, Handler handler)
    : loop_(loop),
      fd_(std::move(listening)),
      handler_(std::move(handler)),
      retry_(this, [](void* owner, Now) { static_cast<Listener*>(owner)->arm(); }) {
  operation_ = {this, [](void* owner, const Operation::Completion& completion) {
                  static_cast<Listener*>(owner)->on_accept(completion);
                }};
}

Listener::~Listener() { POSTERN_ASSERT(!armed_); }

void Listener::start() { arm(); }

void Listener::arm() {
  if (stopping_) return;
  armed_ = true;
  loop_.ring().accept_multishot(fd_.get(), operation_);
}

void Listener::stop() {
  if (stopping_) return;
  stopping_ = true;
  loop_.timers().disarm(retry_);
  if (armed_) {
    loop_.ring().cancel(operation_);
  } else {
    fd_.reset();
  }
}

void Listener::on_accept(const Operation::Completion& completion) {
  if (!completion.more) armed_ = false;
  if (completion.result >= 0) {
    UniqueFd accepted(completion.result);
    if (!stopping_) handler_(std::move(accepted));
  }
  if (armed_) return;
  if (stopping_) {
    fd_.reset();
  } else if (completion.result < 0 && completion.result != -ECONNABORTED) {
    loop_.timers().arm(retry_, loop_.now().mono + kAcceptPause);
  } else {
    arm();
  }
}

Result<void> ListenerSet::open(EventLoop& loop, const std::vector<SocketAddress>& addresses,
                               std::uint32_t backlog, const Handler& handler) {
  for (const SocketAddress& address : addresses) {
    auto fd = listen_tcp(address, backlog);
    if (!fd) return std::unexpected(fd.error());
    listeners_.push_back(std::make_unique<Listener>(
        loop, std::move(*fd),
        [handler, &address](UniqueFd accepted) { handler(address, std::move(accepted)); }));
  }
  return {};
}

void ListenerSet::start() {
  for (auto& listener : listeners_) listener->start();
}

void ListenerSet::stop() {
  for (auto& listener : listeners_) listener->stop();
}

bool ListenerSet::stopped() const noexcept {
  return std::ranges::all_of(listeners_, [](const auto& listener) { return listener->stopped(); });
}

}  // namespace postern

#include "gateway/store_service.hpp"

#include <algorithm>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/service_connection.hpp"
#include "runtime/log.hpp"

namespace postern::gateway {

namespace {

// Sidecars and command lines that connect at once: a handful a machine.
constexpr std::uint32_t kServiceBacklog = 128;
// How often the writer learns how far the oldest reader is. Old row versions may stay that much
// longer.
constexpr Duration kViewInterval = std::chrono::seconds(1);

// Whoever runs as the same user (or root) may do everything; nobody else may do anything. The
// socket's mode says the same; this holds when somebody loosens the mode.
store::rpc::Rights rights_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
  const bool trusted = credentials.uid == 0 || credentials.uid == ::geteuid();
  return {.mailboxes = trusted, .administration = trusted};
}

}  // namespace

StoreService::StoreService(GatewayShared& shared)
    : shared_(shared), login_delay_(shared.settings.pop3.login_delay) {}

StoreService::~StoreService() = default;

Result<void> StoreService::start(EventLoop& loop, metrics::Cells& cells,
                                 smtp::MessageIdSource& ids) {
  auto fd = listen_unix(shared_.settings.store.socket, kServiceBacklog);
  if (!fd) return std::unexpected(fd.error());
  loop_ = &loop;
  cells_ = &cells;
  listener_ = std::make_unique<Listener>(
      loop, std::move(*fd), [this](UniqueFd accepted) { accept(std::move(accepted)); });
  listener_->start();
  view_timer_ = std::make_unique<Timer>(
      this, [](void* owner, Now) { static_cast<StoreService*>(owner)->update_oldest_view(); });
  loop.timers().arm(*view_timer_, loop.now().mono + kViewInterval);
  retention_ = std::make_unique<RetentionJob>(shared_, loop, cells);
  retention_->start();
  login_keeper_ = std::make_unique<LoginKeeper>(shared_, loop);
  login_keeper_->start();
  quota_ = std::make_unique<QuotaJob>(shared_, loop, cells, ids);
  quota_->start();
  return {};
}

void StoreService::accept(UniqueFd fd) {
  const store::rpc::Rights rights = rights_of(fd.get());
  connections_.add(std::make_unique<ServiceConnection>(*this, std::move(fd), rights)).start();
}

// --- change feed
// ---------------------------------------------------------------------------------------

void StoreService::publish(std::span<const store::MailboxChange> changes,
                           store::StorePosition position) {
  if (subscribers_.load(std::memory_order_relaxed) == 0) return;
  bool was_empty = false;
  {
    const std::lock_guard lock(changes_mutex_);
    was_empty = changes_.empty();
    for (const store::MailboxChange& change : changes) {
      changes_[store::raw(change.mailbox)] = {change.mailbox, change.modseq, position};
    }
  }
  if (was_empty) loop_->post([this] { deliver_changes(); });
}

void StoreService::deliver_changes() {
  std::unordered_map<std::uint64_t, store::rpc::Changed> changes;
  {
    const std::lock_guard lock(changes_mutex_);
    changes.swap(changes_);
  }
  connections_.for_each([&changes](ServiceConnection& connection) {
    if (connection.state().subscription_count() == 0) return;
    for (const auto& [mailbox, changed] : changes) {
      if (connection.state().watches(changed.mailbox)) connection.notify(changed);
    }
  });
}

void StoreService::update_oldest_view() {
  store::StorePosition oldest = shared_.engine->position();
  connections_.for_each([&oldest](ServiceConnection& connection) {
    if (const auto position = connection.state().view_position()) {
      oldest = std::min(oldest, *position);
    }
  });
  shared_.engine->set_oldest_view(oldest);
  loop_->timers().arm(*view_timer_, loop_->now().mono + kViewInterval);
}

// --- the end
// -------------------------------------------------------------------------------------------

void StoreService::begin_drain() {
  if (draining_) return;
  draining_ = true;
  if (!listener_) return;
  listener_->stop();
  loop_->timers().disarm(*view_timer_);
  retention_->stop();
  login_keeper_->stop();
  quota_->stop();
  ::unlink(shared_.settings.store.socket.c_str());
  // Each may end its connection, so a visit does one thing.
  connections_.for_each([](ServiceConnection& connection) { connection.answer_held_logins(); });
  connections_.for_each([](ServiceConnection& connection) { connection.begin_shutdown(); });
}

bool StoreService::drained() const {
  return !listener_ || (listener_->stopped() && connections_.empty() && retention_->stopped() &&
                        login_keeper_->stopped() && quota_->stopped());
}

void StoreService::abort_all() {
  begin_drain();
  connections_.for_each([](ServiceConnection& connection) { connection.abort(); });
}

}  // namespace postern::gateway

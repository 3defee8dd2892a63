// Carries out what mail sessions ask: logins and mutations by RPC, reads on the worker pool, change
// notifications by subscription. One for each core.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "runtime/event_loop.hpp"
#include "runtime/worker_pool.hpp"
#include "sidecars/common/mail_requests.hpp"
#include "sidecars/common/shared_view.hpp"
#include "sidecars/common/store_link.hpp"

namespace postern::sidecars {

class MailConnection;

/// A login that began its account's LOGIN-DELAY: what takes that back when it comes to nothing.
struct LoginTicket {
  store::AccountId account{};
  std::uint64_t attempt = 0;
};

/// Lives on its core's thread.
///
/// Freshness: every read first brings the process's view to the newest position this core has heard
/// of. A snapshot asks the gateway for the position of the moment (by subscribing, which also makes
/// sure that nothing after it is missed), a login and a mutation bring theirs along: what was
/// acknowledged to anybody before the command is in its answer. While the gateway is away, reads go
/// on with what the view shows.
class MailService {
 public:
  MailService(EventLoop& loop, SharedView& view, WorkerPool& workers, std::uint32_t core,
              const std::string& socket_path, const std::string& protocol, LinkTiming timing = {});
  ~MailService();

  void start() { link_.start(); }
  /// Starts `request`; the answer goes to connection.on_reply(), never from inside perform().
  void perform(MailConnection& connection, MailRequest request);
  /// The login's client never got into its mailbox.
  void undo_login(const LoginTicket& ticket);
  /// `connection` now cares for `mailbox` (0: for none); it cared for `before`.
  void change_interest(MailConnection& connection, store::MailboxId before,
                       store::MailboxId mailbox);
  /// The gateway is there and is asked.
  bool ready() const noexcept { return link_.is_ready(); }
  void stop() { link_.stop(); }
  bool stopped() const noexcept { return link_.closed() && follows_outstanding_ == 0; }

 private:
  void on_hello(const store::rpc::HelloReply& hello);
  void on_changed(const store::rpc::Changed& changed);
  void announce(std::uint64_t mailbox);
  void learn(store::StorePosition position) noexcept;
  void report_view(Now now);

  void login(MailConnection& connection, LoginRequest request);
  void ask_policy(MailConnection& connection);
  void snapshot(MailConnection& connection, store::MailboxId mailbox);
  void mutate(MailConnection& connection, store::MutationBody body);
  /// Runs `read(view)` on a worker after the view has reached `position_`; hands its result over.
  template <class Read>
  void read(MailConnection& connection, Read read);
  /// Hands `reply` over in the core's next turn. Any thread.
  void answer_later(MailConnection& connection, MailReply reply);

  EventLoop& loop_;
  SharedView& view_;
  WorkerPool& workers_;
  const std::uint32_t core_;
  const std::string protocol_;
  StoreLink link_;
  store::StorePosition position_ = 0;  // the newest one heard of
  std::unordered_map<std::uint64_t, std::unordered_set<MailConnection*>> interested_;
  std::uint64_t mutation_key_ = 0;  // random per process and core: high half of idempotency keys
  std::uint64_t mutation_count_ = 0;
  std::uint64_t login_attempt_ = 0;  // names logins: random, then counted
  std::uint64_t links_lost_ = 0;
  int follows_outstanding_ = 0;  // workers that bring the view up to the gateway's epoch
  Timer report_timer_;
};

}  // namespace postern::sidecars

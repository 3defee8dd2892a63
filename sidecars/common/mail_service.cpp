#include "sidecars/common/mail_service.hpp"

#include <algorithm>
#include <memory>
#include <sys/random.h>
#include <utility>

#include "runtime/log.hpp"
#include "sidecars/common/mail_connection.hpp"

namespace postern::sidecars {

namespace {

using namespace store::rpc;

// How often the gateway learns how far this process's view is (it keeps older rows until then).
constexpr Duration kReportInterval = std::chrono::seconds(1);
// How long a report's catch-up tries: a worker is better used for clients than for insisting.
constexpr std::chrono::milliseconds kReportAdvanceTimeout{200};

std::uint64_t random_key() {
  std::uint64_t key = 0;
  (void)::getrandom(&key, sizeof key, 0);
  return key;
}

LoginReply to_login(const Result<ReplyBody>& reply) {
  if (!reply) return {};
  const auto& auth = std::get<AuthenticateReply>(*reply);
  using Outcome = AuthenticateReply::Outcome;
  LoginReply login{.account = auth.account,
                   .name = auth.name,
                   .inbox = auth.inbox,
                   .policy = auth.policy,
                   .retry_after_s = auth.retry_after_s};
  switch (auth.outcome) {
    case Outcome::ok:
      login.outcome = LoginReply::Outcome::ok;
      break;
    case Outcome::bad_credentials:
      login.outcome = LoginReply::Outcome::bad_credentials;
      break;
    case Outcome::unavailable:
      login.outcome = LoginReply::Outcome::unavailable;
      break;
    case Outcome::too_soon:
      login.outcome = LoginReply::Outcome::too_soon;
      break;
  }
  return login;
}

/// The reply of a request's kind that says `error`.
MailReply failed_reply(const MailRequest& request, const Error& error) {
  if (std::holds_alternative<LoginRequest>(request)) return LoginReply{};
  if (std::holds_alternative<FoldersRequest>(request)) return FoldersReply{std::unexpected(error)};
  if (std::holds_alternative<SnapshotRequest>(request))
    return SnapshotReply{std::unexpected(error)};
  if (std::holds_alternative<HeadRequest>(request)) return HeadReply{std::unexpected(error)};
  if (const auto* bodies = std::get_if<BodiesRequest>(&request)) {
    BodiesReply reply;
    reply.parts.assign(bodies->ranges.size(), std::unexpected(error));
    return reply;
  }
  if (std::holds_alternative<PolicyRequest>(request)) return PolicyReply{std::unexpected(error)};
  return MutationDone{std::unexpected(error)};
}

}  // namespace

MailService::MailService(EventLoop& loop, SharedView& view, WorkerPool& workers, std::uint32_t core,
                         const std::string& socket_path, const std::string& protocol,
                         LinkTiming timing)
    : loop_(loop),
      view_(view),
      workers_(workers),
      core_(core),
      protocol_(protocol),
      link_(loop, socket_path, protocol,
            {.on_hello = [this](const HelloReply& hello) { on_hello(hello); },
             .on_changed = [this](const Changed& changed) { on_changed(changed); },
             .on_lost =
                 [this] {
                   ++links_lost_;
                   log::event(
                       log::Level::warn, "link.lost",
                       {{"core", core_}, {"text", "the gateway is not there: waiting for it"}});
                 }},
            timing),
      mutation_key_(random_key()),
      login_attempt_(random_key()),
      report_timer_(
          this, [](void* owner, Now now) { static_cast<MailService*>(owner)->report_view(now); }) {}

MailService::~MailService() = default;

void MailService::learn(store::StorePosition position) noexcept {
  position_ = std::max(position_, position);
}

// --- the gateway comes and goes
// ------------------------------------------------------------------------

void MailService::on_hello(const HelloReply& hello) {
  ++follows_outstanding_;
  const bool taken = workers_.submit([this, hello, link = links_lost_] {
    auto followed = view_.follow(hello.store_path, hello.gateway_epoch);
    loop_.post([this, hello, link, followed = std::move(followed)] {
      --follows_outstanding_;
      if (link != links_lost_)
        return;  // that gateway is gone already; the next one says hello again
      if (!followed) {
        log::event(log::Level::error, "view.failed", {{"cause", followed.error().message}});
        return link_.start_over();
      }
      position_ = hello.position;  // a restarted gateway may have lost unacknowledged positions
      link_.ready();
      log::event(log::Level::info, "link.ready", {{"core", core_}});
      std::vector<std::uint64_t> mailboxes;
      for (const auto& item : interested_) mailboxes.push_back(item.first);
      for (const std::uint64_t mailbox : mailboxes) {
        link_.call(Subscribe{store::MailboxId{mailbox}}, [](const Result<ReplyBody>&) {});
        announce(mailbox);
      }
      loop_.timers().arm(report_timer_, loop_.now().mono + kReportInterval);
    });
  });
  if (taken) return;
  // Without its view the link would never be ready: the next one tries again.
  --follows_outstanding_;
  log::event(log::Level::error, "view.failed", {{"cause", "the worker queue is full"}});
  link_.start_over();
}

// Also moves the view when nobody asks for it: a sidecar that nobody reads from would otherwise
// hold back the writer's removal of old rows, and have all of it to catch up with at the first
// login.
void MailService::report_view(Now now) {
  loop_.timers().arm(report_timer_, now.mono + kReportInterval);
  if (core_ != 0 || !link_.is_ready() || follows_outstanding_ > 0) return;
  const std::shared_ptr<store::ReaderView> view = view_.get();
  if (!view) return;
  ++follows_outstanding_;
  const bool taken = workers_.submit([this, view] {
    (void)view->advance(kReportAdvanceTimeout);  // the next report tries again
    loop_.post([this, position = view->position()] {
      --follows_outstanding_;
      link_.tell(ViewPosition{position});
    });
  });
  if (!taken) --follows_outstanding_;
}

void MailService::on_changed(const Changed& changed) {
  learn(changed.position);
  announce(store::raw(changed.mailbox));
}

void MailService::announce(std::uint64_t mailbox) {
  const auto found = interested_.find(mailbox);
  if (found == interested_.end()) return;
  // A copy, and a look before each: a session that is told may close or turn to another mailbox.
  const std::vector<MailConnection*> told(found->second.begin(), found->second.end());
  for (MailConnection* connection : told) {
    const auto still = interested_.find(mailbox);
    if (still == interested_.end()) return;
    if (still->second.contains(connection)) connection->on_mailbox_changed();
  }
}

void MailService::change_interest(MailConnection& connection, store::MailboxId before,
                                  store::MailboxId mailbox) {
  if (const auto found = interested_.find(store::raw(before)); found != interested_.end()) {
    found->second.erase(&connection);
    if (found->second.empty()) {
      interested_.erase(found);
      if (link_.is_ready()) link_.call(Unsubscribe{before}, [](const Result<ReplyBody>&) {});
    }
  }
  if (store::raw(mailbox) != 0) interested_[store::raw(mailbox)].insert(&connection);
}

// --- requests
// ------------------------------------------------------------------------------------------

void MailService::perform(MailConnection& connection, MailRequest request) {
  if (auto* credentials = std::get_if<LoginRequest>(&request)) {
    return login(connection, std::move(*credentials));
  }
  if (auto* change = std::get_if<MutateRequest>(&request)) {
    return mutate(connection, std::move(change->body));
  }
  if (std::holds_alternative<PolicyRequest>(request)) return ask_policy(connection);
  if (const auto* wanted = std::get_if<SnapshotRequest>(&request)) {
    return snapshot(connection, wanted->mailbox);
  }
  read(connection,
       [request = std::move(request)](const Result<store::ReaderView*>& view) -> MailReply {
         if (!view) return failed_reply(request, view.error());
         store::ReaderView& reader = **view;
         if (const auto* folders = std::get_if<FoldersRequest>(&request)) {
           return FoldersReply{reader.folders(folders->account)};
         }
         if (const auto* head = std::get_if<HeadRequest>(&request)) {
           return HeadReply{reader.head(head->mailbox)};
         }
         BodiesReply reply;
         for (const BodiesRequest::Range& range : std::get<BodiesRequest>(request).ranges) {
           reply.parts.push_back(reader.read_body(range.body, range.offset, range.length));
         }
         return reply;
       });
}

void MailService::login(MailConnection& connection, LoginRequest request) {
  Authenticate message{.user = std::move(request.user),
                       .password = std::move(request.password),
                       .protocol = protocol_,
                       .client_address = connection.penalty_address(),
                       .attempt = ++login_attempt_};
  const auto ticket = [attempt = message.attempt](const Result<ReplyBody>& reply) {
    const auto* auth = reply ? &std::get<AuthenticateReply>(*reply) : nullptr;
    std::optional<LoginTicket> made;
    if (auth != nullptr && auth->delay_began) made = {auth->account, attempt};
    return made;
  };
  link_.call(
      std::move(message),
      [this, &connection, ticket](const Result<ReplyBody>& reply) {
        if (reply) learn(std::get<AuthenticateReply>(*reply).position);
        connection.expect_mailbox(ticket(reply));
        connection.on_reply(to_login(reply));
      },
      [this, ticket](const Result<ReplyBody>& reply) {  // its client has been told "unavailable"
        if (const auto late = ticket(reply)) undo_login(*late);
      });
}

void MailService::undo_login(const LoginTicket& ticket) {
  link_.call(LoginUndone{ticket.account, ticket.attempt}, [](const Result<ReplyBody>&) {});
}

void MailService::ask_policy(MailConnection& connection) {
  if (!link_.is_ready()) {  // the session knows what to say without it: nobody waits for a gateway
    return answer_later(connection,
                        PolicyReply{fail(ErrorCode::unavailable, "the gateway is not there")});
  }
  link_.call(StrictestPolicy{}, [&connection](const Result<ReplyBody>& reply) {
    if (!reply) return connection.on_reply(PolicyReply{std::unexpected(reply.error())});
    const auto& told = std::get<StrictestPolicyReply>(*reply);
    connection.on_reply(PolicyReply{PolicyReply::Policy{told.policy, told.differs_by_user}});
  });
}

void MailService::snapshot(MailConnection& connection, store::MailboxId mailbox) {
  auto read_it = [this, &connection, mailbox] {
    read(connection, [mailbox](const Result<store::ReaderView*>& view) -> MailReply {
      if (!view) return SnapshotReply{std::unexpected(view.error())};
      return SnapshotReply{(*view)->snapshot(mailbox, nullptr)};
    });
  };
  if (!link_.is_ready()) return read_it();
  link_.call(Subscribe{mailbox}, [this, read_it](const Result<ReplyBody>& reply) {
    if (reply) learn(std::get<PositionReply>(*reply).position);
    read_it();
  });
}

void MailService::mutate(MailConnection& connection, store::MutationBody body) {
  Mutate message{
      {.key_high = mutation_key_, .key_low = ++mutation_count_, .body = std::move(body)}};
  link_.call(std::move(message), [this, &connection](Result<ReplyBody> reply) {
    if (!reply) return connection.on_reply(MutationDone{std::unexpected(reply.error())});
    store::MutationReply done = std::get<store::MutationReply>(std::move(*reply));
    learn(done.position);
    read(connection,
         [done = std::move(done)](const Result<store::ReaderView*>&) mutable -> MailReply {
           return MutationDone{std::move(done)};
         });
  });
}

template <class Read>
void MailService::read(MailConnection& connection, Read read) {
  // Shared with the job, which is gone when the pool does not take it.
  const auto shared = std::make_shared<Read>(std::move(read));
  auto job = [this, &connection, position = position_, wait = link_.is_ready(), shared] {
    const std::shared_ptr<store::ReaderView> view = view_.get();
    Result<store::ReaderView*> reached =
        fail(ErrorCode::unavailable, "the store has not been opened yet");
    if (view) {
      reached = view.get();
      if (wait) {
        if (auto advanced = view->advance_to(position); !advanced) {
          reached = std::unexpected(advanced.error());
        }
      }
    }
    answer_later(connection, (*shared)(reached));
  };
  if (workers_.submit(std::move(job))) return;
  // More reads than the pool can hold (its queue is as long as a core has connections): the client
  // is told that the store is busy. A change that was made is told all the same; whoever reads
  // after it waits for the view.
  answer_later(connection, (*shared)(fail(ErrorCode::unavailable, "too many reads wait")));
}

void MailService::answer_later(MailConnection& connection, MailReply reply) {
  loop_.post(
      [&connection, reply = std::move(reply)]() mutable { connection.on_reply(std::move(reply)); });
}

}  // namespace postern::sidecars

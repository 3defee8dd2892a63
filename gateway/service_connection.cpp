#include "gateway/service_connection.hpp"

#include <algorithm>
#include <utility>

#include "gateway/login_penalty.hpp"
#include "gateway/mailbox_policy.hpp"
#include "gateway/metric_ids.hpp"
#include "runtime/log.hpp"
#include "store/password.hpp"

namespace postern::gateway {

using namespace store::rpc;

namespace {

// IMAP clients log in several times at once; RFC 2449's delay is POP3's alone.
constexpr std::string_view kProtocolWithLoginDelay = "pop3";

AuthenticateReply to_reply(const store::AuthOutcome& outcome, store::StorePosition position) {
  using Kind = store::AuthOutcome::Kind;
  AuthenticateReply reply;
  switch (outcome.kind) {
    case Kind::ok:
      reply.outcome = AuthenticateReply::Outcome::ok;
      break;
    case Kind::bad_credentials:
      reply.outcome = AuthenticateReply::Outcome::bad_credentials;
      break;
    case Kind::unavailable:
      reply.outcome = AuthenticateReply::Outcome::unavailable;
      break;
  }
  if (outcome.kind == Kind::ok) {
    reply.account = outcome.account;
    reply.name = outcome.name;
    reply.inbox = outcome.inbox;
    reply.position = position;
  }
  return reply;
}

}  // namespace

ServiceConnection::ServiceConnection(StoreService& service, UniqueFd fd, Rights rights)
    : Connection(service.loop(), std::move(fd), {.unix_socket = true}),
      service_(service),
      session_(rights) {}

ServiceConnection::~ServiceConnection() {
  if (counted_as_subscriber_) service_.count_subscriber(-1);
}

void ServiceConnection::on_closed() {
  log::event(log::Level::debug, "service.client.gone", {{"client", session_.client()}});
  service_.connections().remove(this);
}

void ServiceConnection::notify(const Changed& changed) {
  session_.notify(changed);
  resume();
}

void ServiceConnection::after_session_call() {
  while (auto request = session_.take_request()) {
    service_.cells().add(kServiceRequests);
    handle(std::move(*request));
  }
}

template <class Value, class Finish>
std::move_only_function<void(Value)> ServiceConnection::on_loop(Finish finish) {
  ++answers_outstanding_;
  EventLoop& home = loop();
  return [this, &home, finish = std::move(finish)](Value value) mutable {
    home.post([this, finish = std::move(finish), value = std::move(value)]() mutable {
      --answers_outstanding_;
      finish(std::move(value));
      after_session_call();
      resume();
    });
  };
}

template <class Work, class Finish>
void ServiceConnection::on_worker(std::uint64_t id, Work work, Finish finish) {
  using Value = std::invoke_result_t<Work>;
  auto done = on_loop<Value>(std::move(finish));
  const bool taken = service_.shared().workers->submit(
      [work = std::move(work), done = std::move(done)]() mutable { done(work()); });
  if (taken) return;
  --answers_outstanding_;
  answer(id, fail(ErrorCode::unavailable, "too many requests wait for a worker: try again"));
}

void ServiceConnection::answer(std::uint64_t id, Result<ReplyBody> body) {
  session_.reply(id, std::move(body));
}

void ServiceConnection::handle(Request request) {
  const std::uint64_t id = request.id;
  const auto serve = [this, id](auto& body) {
    using Body = std::decay_t<decltype(body)>;
    if constexpr (std::is_same_v<Body, Hello>) {
      hello(id);
    } else if constexpr (std::is_same_v<Body, Authenticate>) {
      authenticate(id, std::move(body));
    } else if constexpr (std::is_same_v<Body, Mutate>) {
      mutate(id, std::move(body));
    } else if constexpr (std::is_same_v<Body, Subscribe>) {
      if (!std::exchange(counted_as_subscriber_, true)) service_.count_subscriber(+1);
      answer(id, PositionReply{service_.shared().engine->position()});
    } else if constexpr (std::is_same_v<Body, DomainAdd>) {
      change_directory(id, store::AddDomain{std::move(body.domain)});
    } else if constexpr (std::is_same_v<Body, DomainDelete>) {
      change_directory(id, store::DeleteDomain{std::move(body.domain)});
    } else if constexpr (std::is_same_v<Body, DomainList>) {
      list_domains(id, body);
    } else if constexpr (std::is_same_v<Body, UserAdd>) {
      add_user(id, std::move(body));
    } else if constexpr (std::is_same_v<Body, UserDelete>) {
      change_directory(id, store::DeleteUser{std::move(body.name)});
    } else if constexpr (std::is_same_v<Body, UserPassword>) {
      set_password(id, std::move(body));
    } else if constexpr (std::is_same_v<Body, UserSendAs>) {
      change_directory(id, store::SetSendAs{.name = std::move(body.name),
                                            .address = std::move(body.address),
                                            .granted = body.granted});
    } else if constexpr (std::is_same_v<Body, UserSet>) {
      change_directory(id, store::ChangeSettings{std::move(body.name), body.change});
    } else if constexpr (std::is_same_v<Body, StrictestPolicy>) {
      tell_strictest_policy(id);
    } else if constexpr (std::is_same_v<Body, LoginUndone>) {
      service_.login_delay().undo(body.account, body.attempt);
      answer(id, Done{});
    } else if constexpr (std::is_same_v<Body, UserList>) {
      list_users(id, body);
    } else if constexpr (std::is_same_v<Body, QueueList>) {
      list_queue(id, body);
    } else {
      answer(id, Done{});  // Unsubscribe, ViewPosition and Ping are served by the session
    }
  };
  std::visit(serve, request.body);
}

void ServiceConnection::hello(std::uint64_t id) {
  const GatewayShared& shared = service_.shared();
  log::event(log::Level::debug, "service.client.hello", {{"client", session_.client()}});
  answer(id, HelloReply{.gateway_epoch = shared.epoch,
                        .store_path = shared.settings.store.path,
                        .position = shared.engine->position()});
}

void ServiceConnection::authenticate(std::uint64_t id, Authenticate request) {
  GatewayShared& shared = service_.shared();
  Login login{.id = id,
              .attempt_key = request.attempt,
              .protocol = request.protocol,
              .client_address = request.client_address,
              .user = request.user};
  if (!request.client_address.empty()) {
    login.attempt = shared.policy->begin_login(request.client_address, request.user,
                                               *shared.engine->directory(), loop().now().mono);
    // Nobody else can be told to wait: no hash for who would have to.
    const bool waits = login.attempt->right_at > loop().now().mono;
    if (waits && held_logins_.full()) login.attempt->verify = false;
    if (!login.attempt->verify) return answer_login(std::move(login), {});
  }
  if (auto known =
          shared.authenticator->verify_cached(request.user, request.password, loop().now().mono)) {
    return answer_login(std::move(login), std::move(*known));
  }
  on_worker(
      id,
      [&shared, request = std::move(request)] {
        return shared.authenticator->verify(request.user, request.password, read_clocks().mono);
      },
      [this, login = std::move(login)](store::AuthOutcome outcome) mutable {
        answer_login(std::move(login), std::move(outcome));
      });
}

// The answer to a login, now or when its penalty is over (policy::LoginGuard). The sidecar's client
// waits, its session does nothing else.
void ServiceConnection::answer_login(Login login, store::AuthOutcome outcome) {
  const MonoTime now = loop().now().mono;
  policy::LoginGuard::Answer answer{.at = now};
  if (login.attempt) {
    answer = service_.shared().policy->finish_login(*login.attempt, outcome, now);
  }
  if (answer.at > now && held_logins_.full()) {  // told so at once, be it right or wrong
    answer = {.at = now, .refused = true};
    outcome = {};
  }
  note_login_penalty(
      service_.cells(),
      {.protocol = login.protocol, .client = login.client_address, .user = login.user}, answer,
      now);
  if (answer.at <= now) return tell_login(login, outcome);
  ++answers_outstanding_;
  const std::uint64_t id = login.id;
  held_logins_.hold(loop(), id, answer.at,
                    [this, login = std::move(login), outcome = std::move(outcome)] {
                      --answers_outstanding_;
                      tell_login(login, outcome);
                      after_session_call();
                      resume();
                    });
}

void ServiceConnection::tell_login(const Login& login, const store::AuthOutcome& outcome) {
  GatewayShared& gateway = service_.shared();
  AuthenticateReply reply = to_reply(outcome, gateway.engine->position());
  reply.policy = store::MailboxPolicy::of(outcome.settings, default_policy(gateway.settings));
  // Asked only behind the right password: to a stranger an account that may not log in yet looks
  // like any other. Nor when nobody is left to hear it: it will be asked for again.
  const bool heard = !finished() && !peer_ended();
  if (login.protocol == kProtocolWithLoginDelay && heard &&
      reply.outcome == AuthenticateReply::Outcome::ok) {
    LoginDelay& delay = service_.login_delay();
    reply.delay_began = !delay.off();
    if (const auto wait = delay.admit(reply.account, login.attempt_key, loop().now().mono)) {
      reply = {.outcome = AuthenticateReply::Outcome::too_soon,
               .retry_after_s = static_cast<std::uint32_t>(wait->count())};
    }
  }
  answer(login.id, std::move(reply));
}

void ServiceConnection::tell_strictest_policy(std::uint64_t id) {
  const store::MailboxPolicy defaults = default_policy(service_.shared().settings);
  StrictestPolicyReply reply{.policy = defaults};
  for (const auto& settings : service_.shared().engine->directory()->settings_in_use()) {
    const store::MailboxPolicy policy = store::MailboxPolicy::of(settings, defaults);
    reply.differs_by_user = reply.differs_by_user || policy != defaults;
    reply.policy = store::MailboxPolicy::stricter_of(reply.policy, policy);
  }
  answer(id, reply);
}

void ServiceConnection::mutate(std::uint64_t id, Mutate request) {
  service_.shared().engine->apply(
      std::move(request.mutation),
      on_loop<Result<store::MutationReply>>([this, id](Result<store::MutationReply> reply) {
        answer(id, reply ? Result<ReplyBody>(std::move(*reply)) : std::unexpected(reply.error()));
      }));
}

void ServiceConnection::change_directory(std::uint64_t id, store::DirectoryChange change) {
  service_.shared().engine->apply(
      std::move(change),
      on_loop<Result<store::DirectoryReply>>(
          [this, id](const Result<store::DirectoryReply>& reply) {
            answer(id, reply ? Result<ReplyBody>(Done{}) : std::unexpected(reply.error()));
          }));
}

void ServiceConnection::add_user(std::uint64_t id, UserAdd request) {
  auto hash = [password = std::move(request.password)]() -> Result<std::string> {
    if (password.empty()) return std::string{};
    return store::hash_password(password);
  };
  auto create = [this, id, name = std::move(request.name),
                 aliases = std::move(request.aliases)](Result<std::string> hashed) mutable {
    if (!hashed) return answer(id, std::unexpected(hashed.error()));
    store::AddUser change{.name = name, .password_hash = std::move(*hashed)};
    auto created = [this, id, name = std::move(name), aliases = std::move(aliases)](
                       const Result<store::DirectoryReply>& reply) mutable {
      if (!reply) return answer(id, std::unexpected(reply.error()));
      add_next_alias(id, std::move(name), std::move(aliases));
    };
    service_.shared().engine->apply(std::move(change),
                                    on_loop<Result<store::DirectoryReply>>(std::move(created)));
  };
  on_worker(id, std::move(hash), std::move(create));
}

// One after the other: a refused alias ends it with the alias's error; the account stays.
void ServiceConnection::add_next_alias(std::uint64_t id, std::string name,
                                       std::vector<std::string> aliases) {
  if (aliases.empty()) return answer(id, Done{});
  store::AddAlias change{.name = name, .alias = std::move(aliases.back())};
  aliases.pop_back();
  auto added = [this, id, name = std::move(name),
                aliases = std::move(aliases)](const Result<store::DirectoryReply>& reply) mutable {
    if (!reply) return answer(id, std::unexpected(reply.error()));
    add_next_alias(id, std::move(name), std::move(aliases));
  };
  service_.shared().engine->apply(std::move(change),
                                  on_loop<Result<store::DirectoryReply>>(std::move(added)));
}

void ServiceConnection::set_password(std::uint64_t id, UserPassword request) {
  auto hash = [password = std::move(request.password)] { return store::hash_password(password); };
  auto change = [this, id, name = std::move(request.name)](Result<std::string> hashed) mutable {
    if (!hashed) return answer(id, std::unexpected(hashed.error()));
    change_directory(id, store::SetPasswordHash{std::move(name), std::move(*hashed)});
  };
  on_worker(id, std::move(hash), std::move(change));
}

void ServiceConnection::list_domains(std::uint64_t id, const DomainList& request) {
  DomainListReply reply;
  const std::vector<std::string> all = service_.shared().engine->directory()->domains();
  for (auto next = std::upper_bound(all.begin(), all.end(), request.after); next != all.end();
       ++next) {
    if (reply.domains.size() == request.limit) {
      reply.more = true;
      break;
    }
    reply.domains.push_back(*next);
  }
  answer(id, std::move(reply));
}

void ServiceConnection::list_users(std::uint64_t id, const UserList& request) {
  UserListReply reply;
  const store::DirectoryPtr directory = service_.shared().engine->directory();
  for (const store::Account* account : directory->accounts()) {
    if (account->name <= request.after) continue;
    if (reply.users.size() == request.limit) {
      reply.more = true;
      break;
    }
    const store::QuotaUse use = service_.shared().engine->quotas().use_of(account->inbox);
    reply.users.push_back({.id = account->id,
                           .name = account->name,
                           .inbox = account->inbox,
                           .has_password = !account->password_hash.empty(),
                           .aliases = account->aliases,
                           .send_as = account->send_as,
                           .settings = account->settings,
                           .used_octets = use.used_octets,
                           .quota_octets = use.limit_octets});
  }
  answer(id, std::move(reply));
}

void ServiceConnection::list_queue(std::uint64_t id, const QueueList& request) {
  const store::Engine& engine = *service_.shared().engine;
  const auto read = [&engine, limit = request.limit] { return engine.list_queue(limit); };
  const auto finish = [this, id](Result<std::vector<store::QueueEntry>> entries) {
    if (!entries) return answer(id, std::unexpected(entries.error()));
    QueueListReply reply;
    reply.total = entries->size();
    for (store::QueueEntry& entry : *entries) {
      store::rpc::QueueEntry out{.id = std::move(entry.id),
                                 .body = entry.body,
                                 .reverse_path = std::move(entry.reverse_path),
                                 .recipients = std::move(entry.recipients),
                                 .size_octets = entry.size_octets,
                                 .arrival_unix_ms = entry.arrival_unix_ms,
                                 .next_attempt_unix_ms = std::max(
                                     entry.arrival_unix_ms, entry.options.hold_until_unix_ms)};
      out.recipient_count = static_cast<std::uint32_t>(out.recipients.size());
      if (out.recipients.size() > kQueueRecipientsMax) out.recipients.resize(kQueueRecipientsMax);
      reply.entries.push_back(std::move(out));
    }
    answer(id, std::move(reply));
  };
  on_worker(id, read, finish);
}

}  // namespace postern::gateway

// One client of the store service: a sidecar's core or the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/held_logins.hpp"
#include "gateway/store_service.hpp"
#include "runtime/connection.hpp"
#include "store/rpc/service_session.hpp"

namespace postern::gateway {

/// Lives on core 0's thread. Requests are answered in any order; each keeps the connection alive.
class ServiceConnection final : public Connection {
 public:
  ServiceConnection(StoreService& service, UniqueFd fd, store::rpc::Rights rights);
  ~ServiceConnection() override;

  /// The process is stopping: logins that wait under penalty are answered now.
  void answer_held_logins() { held_logins_.answer_all(); }
  void notify(const store::rpc::Changed& changed);
  const store::rpc::ServiceSession& state() const noexcept { return session_; }

 private:
  Session& session() override { return session_; }
  void after_session_call() override;
  bool awaiting_answer() const override { return answers_outstanding_ > 0; }
  void on_closed() override;

  void handle(store::rpc::Request request);
  void answer(std::uint64_t id, Result<store::rpc::ReplyBody> body);
  void hello(std::uint64_t id);
  void authenticate(std::uint64_t id, store::rpc::Authenticate request);
  /// A login on its way.
  struct Login {
    std::uint64_t id = 0;           ///< of its request
    std::uint64_t attempt_key = 0;  ///< the request's
    std::string protocol;
    std::string client_address;
    std::string user;
    std::optional<policy::LoginGuard::Attempt> attempt;  ///< none: no penalties
  };
  void answer_login(Login login, store::AuthOutcome outcome);
  void tell_login(const Login& login, const store::AuthOutcome& outcome);
  void tell_strictest_policy(std::uint64_t id);
  void mutate(std::uint64_t id, store::rpc::Mutate request);
  void change_directory(std::uint64_t id, store::DirectoryChange change);
  void add_user(std::uint64_t id, store::rpc::UserAdd request);
  void add_next_alias(std::uint64_t id, std::string name, std::vector<std::string> aliases);
  void set_password(std::uint64_t id, store::rpc::UserPassword request);
  void list_domains(std::uint64_t id, const store::rpc::DomainList& request);
  void list_users(std::uint64_t id, const store::rpc::UserList& request);
  void list_queue(std::uint64_t id, const store::rpc::QueueList& request);

  /// Runs `work` on the worker pool and `finish` with its result here. An answer is outstanding
  /// meanwhile.
  template <class Work, class Finish>
  void on_worker(std::uint64_t id, Work work, Finish finish);
  /// Wraps the end of something asynchronous: runs `finish` on this connection's thread.
  template <class Value, class Finish>
  std::move_only_function<void(Value)> on_loop(Finish finish);

  StoreService& service_;
  store::rpc::ServiceSession session_;
  int answers_outstanding_ = 0;
  bool counted_as_subscriber_ = false;
  HeldLogins held_logins_;
};

}  // namespace postern::gateway

// One SMTP client: carries out what its session asks (verify, submit, abandon), logs and counts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/delayed_call.hpp"
#include "gateway/metric_ids.hpp"
#include "gateway/policy/client_policy.hpp"
#include "gateway/shared.hpp"
#include "gateway/smtp/session.hpp"
#include "gateway/spool_owner.hpp"
#include "runtime/acceptor.hpp"
#include "runtime/connection.hpp"

namespace postern::gateway {

class GatewayCore;

/// Lives on its core's thread. Kept alive by the core's ConnectionSet until everything has come
/// back.
class SmtpConnection final : public Connection,
                             public SpoolOwner,
                             private smtp::SmtpObserver,
                             private smtp::ClientGate {
 public:
  SmtpConnection(GatewayCore& core, ListenerState& listener, Arrival arrival,
                 ConnectionOptions options);
  ~SmtpConnection() override;

  /// Before start(): the session says why it will not serve, and closes.
  void refuse(smtp::Refusal why) { refusal_ = why; }
  void refuse(Verdict why);
  /// The process is stopping: a login that waits under penalty is answered now.
  void answer_held_login();
  /// A submitted message has come back from the store. Core thread.
  void on_spool_completion(store::SpoolRequest* request) override;
  void set_directory(store::DirectoryPtr directory) {
    session_.set_directory(std::move(directory));
  }

 private:
  Session& session() override { return session_; }
  void open_session(Now now) override;
  void after_session_call() override;
  bool awaiting_answer() const override { return answers_outstanding_ > 0; }
  void on_closed() override;
  void on_tls_open(const TlsFacts& facts) override;
  void on_tls_failure(const std::string& error) override;

  void verify(smtp::VerifyRequest request);
  void answer_login(std::string_view user, store::AuthOutcome outcome,
                    const std::optional<policy::LoginGuard::Attempt>& attempt);
  void submit();
  void abandon();
  void submit_abandoned();
  void account_memory();
  void count_limit(Metric limit);
  /// The client, as a trusted proxy named it.
  const PeerFacts& peer() const noexcept { return session_.conversation().peer; }

  std::optional<smtp::Refusal> admit(const PeerFacts& client) override;
  void on_message_accepted(const store::SpoolRequest& message) override;
  void on_message_repeated(const store::SpoolRequest& message, std::string_view first_id) override;
  void on_message_refused(const store::SpoolRequest& message, std::string_view reply) override;
  void on_sender_refused(std::string_view argument, std::string_view reply) override;
  void on_recipient_refused(std::string_view address, std::string_view reply) override;
  void on_auth(std::string_view mechanism, std::string_view user, smtp::AuthEvent event) override;
  void on_session_end(const smtp::SessionSummary& summary) override;

  GatewayCore& core_;
  ListenerState& listener_;
  Admission admission_;
  policy::ClientPolicy policy_;
  smtp::SmtpSession session_;
  // Messages that were given up, oldest first; the first so many are in the store's hands.
  std::vector<std::unique_ptr<store::SpoolRequest>> abandoned_;
  std::size_t abandoned_submitted_ = 0;
  std::optional<smtp::Refusal> refusal_;
  std::int64_t held_octets_ = 0;  // of this connection's message, as the core has counted them
  std::unique_ptr<DelayedCall> abandon_again_;  // the queue was full
  int answers_outstanding_ = 0;
  std::unique_ptr<DelayedCall> held_login_;  // a login under penalty waits for its answer
};

}  // namespace postern::gateway

// One POP3 or IMAP client on its core: drives its session and passes its requests to the mail
// service.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/acceptor.hpp"
#include "runtime/connection.hpp"
#include "runtime/connection_set.hpp"
#include "sidecars/common/mail_service.hpp"
#include "sidecars/common/mail_session.hpp"

namespace postern::sidecars {

/// A session with whatever must live as long as it (its observer).
struct OwnedSession {
  std::shared_ptr<void> companion;       ///< destroyed after the session
  std::unique_ptr<MailSession> session;  ///< never null
};

/// Told how handshakes end, for logs and metrics. On the core's thread.
class TlsObserver {
 public:
  virtual ~TlsObserver() = default;
  virtual void tls_opened(const std::string& client, const TlsFacts& facts) = 0;
  virtual void tls_failed(const std::string& client, const std::string& cause) = 0;
};

/// Lives on its core's thread; kept alive by the core's ConnectionSet until its request has come
/// back.
class MailConnection final : public Connection {
 public:
  /// `service`, `owner`, `observer` and `loop` are the core's and outlive the connection.
  MailConnection(MailService& service, ConnectionSet<MailConnection>& owner, TlsObserver& observer,
                 EventLoop& loop, Arrival arrival, OwnedSession session, ConnectionOptions options);
  ~MailConnection() override;

  /// The answer to the outstanding request. May come after the client has gone.
  void on_reply(MailReply reply);
  /// Before on_reply() with a login's answer: what to undo if the client does not get into its
  /// mailbox after it.
  void expect_mailbox(std::optional<LoginTicket> ticket) noexcept { login_ = ticket; }
  /// The mailbox of its interest has changed; ignored when the session does not watch it (yet).
  void on_mailbox_changed();
  /// What the gateway's login penalties know the client by: its address, or nothing when it is in a
  /// trusted network, which has none.
  std::string penalty_address() const { return trusted_ ? std::string() : address_; }

 private:
  Session& session() override { return *owned_.session; }
  void after_session_call() override;
  bool awaiting_answer() const override { return request_outstanding_; }
  void on_closed() override { owner_.remove(this); }
  void on_tls_open(const TlsFacts& facts) override { observer_.tls_opened(address_, facts); }
  void on_tls_failure(const std::string& cause) override { observer_.tls_failed(address_, cause); }
  void set_interest(store::MailboxId mailbox);
  void settle_login(const MailReply& reply);

  MailService& service_;
  ConnectionSet<MailConnection>& owner_;
  TlsObserver& observer_;
  const Admission admission_;
  OwnedSession owned_;
  const std::string address_;  // the client's, for logs
  const bool trusted_;
  store::MailboxId interest_{};
  std::optional<LoginTicket> login_;  // until its client is in its mailbox
  bool request_outstanding_ = false;
};

}  // namespace postern::sidecars

#include "sidecars/common/mail_connection.hpp"

#include <utility>

#include "runtime/assert.hpp"

namespace postern::sidecars {

MailConnection::MailConnection(MailService& service, ConnectionSet<MailConnection>& owner,
                               TlsObserver& observer, EventLoop& event_loop, Arrival arrival,
                               OwnedSession session, ConnectionOptions options)
    : Connection(event_loop, std::move(arrival.fd), options),
      service_(service),
      owner_(owner),
      observer_(observer),
      admission_(std::move(arrival.admission)),
      owned_(std::move(session)),
      address_(std::move(arrival.peer.address)),
      trusted_(arrival.peer.trusted) {}

MailConnection::~MailConnection() { set_interest({}); }

void MailConnection::after_session_call() {
  MailSession& mail = *owned_.session;
  if (mail.request()) {
    POSTERN_ASSERT(!request_outstanding_);
    MailRequest request = std::move(*mail.request());
    mail.request().reset();
    // Asking for a snapshot starts the interest: a change between the snapshot and `watched` is not
    // missed.
    if (const auto* snapshot = std::get_if<SnapshotRequest>(&request)) {
      set_interest(snapshot->mailbox);
    }
    request_outstanding_ = true;
    service_.perform(*this, std::move(request));
  } else if (!request_outstanding_) {
    set_interest(mail.watched().value_or(store::MailboxId{}));
  }
}

void MailConnection::set_interest(store::MailboxId mailbox) {
  if (mailbox == interest_) return;
  service_.change_interest(*this, std::exchange(interest_, mailbox), mailbox);
}

void MailConnection::on_reply(MailReply reply) {
  POSTERN_ASSERT(request_outstanding_);
  request_outstanding_ = false;
  settle_login(reply);
  owned_.session->on_reply(std::move(reply), loop().now());
  after_session_call();
  resume();
}

// A login counts for LOGIN-DELAY when its client is there to get the answer, and the mailbox is,
// too.
void MailConnection::settle_login(const MailReply& reply) {
  if (!login_) return;
  const auto* opened = std::get_if<SnapshotReply>(&reply);
  if (finished() || (opened != nullptr && !opened->snapshot)) {
    service_.undo_login(*login_);
  } else if (opened == nullptr) {
    return;  // the login's own answer: the mailbox comes next
  }
  login_.reset();
}

void MailConnection::on_mailbox_changed() {
  if (finished() || owned_.session->watched() != interest_) return;
  owned_.session->on_mailbox_changed(loop().now());
  after_session_call();
  resume();
}

}  // namespace postern::sidecars

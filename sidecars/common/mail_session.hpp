// The session contract of the two sidecars: a Session that asks the mail store.
#pragma once

#include <optional>

#include "runtime/session.hpp"
#include "sidecars/common/mail_requests.hpp"

namespace postern::sidecars {

/// Base of Pop3Session and ImapSession. Driver rule, in addition to those of Session: after every
/// call, take `request` if it is set, carry it out, and hand the answer to on_reply() on the same
/// thread. Keep the mailbox in `watched` subscribed and call on_mailbox_changed() when it changes.
class MailSession : public Session {
 public:
  /// The answer to the one outstanding request.
  virtual void on_reply(MailReply reply, Now now) = 0;
  /// The watched mailbox has changed (new mail, flags, expunge). May be called at any time, also
  /// spuriously and while a request is outstanding; several changes may come as one call.
  virtual void on_mailbox_changed(Now now) = 0;

  /// What the session wants from the store now. Taken (moved out and cleared) by the driver after
  /// every call.
  std::optional<MailRequest>& request() noexcept { return request_; }
  /// The mailbox whose changes concern this session; nullopt: none.
  const std::optional<store::MailboxId>& watched() const noexcept { return watched_; }

 protected:
  std::optional<MailRequest> request_;
  std::optional<store::MailboxId> watched_;
};

}  // namespace postern::sidecars

// QUIT (RFC 1939 section 6): the only way into the UPDATE state.
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

void Pop3Session::command_quit(const CommandLine&, Now) {
  if (policy_.delete_after_retrieval) maildrop_.mark_retrieved();
  if (maildrop_.marked_count() == 0) {
    reply_ok("bye");
    end_session(EndReason::quit);
    return;
  }
  // A message that did not get out must not be removed as one that the client has: what was
  // answered before goes first. A connection that ends meanwhile ends without UPDATE.
  if (unsent_octets_ > 0) {
    waiting_ = Waiting::sent;
    return;
  }
  begin_update();
}

void Pop3Session::begin_update() {
  state_ = State::update;
  waiting_ = Waiting::update;
  // Exactly the marked uids, in one change, whatever \Deleted says (POP-13).
  request_ = sidecars::MutateRequest{store::Expunge{
      .mailbox = maildrop_.mailbox(), .uids = maildrop_.marked_uids(), .only_deleted = false}};
}

}  // namespace postern::pop3

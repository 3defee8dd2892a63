// The SMTP server protocol as a state machine without IO: see runtime/session.hpp for the rules
// that hold for every session, README.md here for how a message flows.
//
// Rules for the driver, in addition to those of Session:
//  1. After every call, take request() if it is set (move it out and reset it):
//       VerifyRequest   check the password, then on_verified().
//       SubmitRequest   set message()->core and ->owner, give message() to the spool, then
//       on_submitted()
//                       when it completes. If submit() says false, set the outcome to store_busy
//                       and call on_submitted() (not from inside another call of the session).
//       AbandonRequest  take release_message(), set `abandon`, submit it, free it on completion.
//       There is
//                       no answer, so offer unconsumed input again at once.
//  2. When the connection breaks, call on_end_of_input(). The session sets output().close when
//  nothing of it
//     is in the store's hands any more; keep it alive until then.
//  3. A driver that cannot admit a connection calls on_refused() in place of on_open().
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "gateway/smtp/conversation.hpp"
#include "gateway/smtp/profile.hpp"
#include "gateway/smtp/requests.hpp"
#include "gateway/smtp/services.hpp"
#include "runtime/session.hpp"

namespace postern::smtp {

/// One SMTP connection. Owned by its core's connection, used on that core's thread only.
class SmtpSession final : public Session {
 public:
  SmtpSession(std::shared_ptr<const SmtpProfile> profile, PeerFacts peer, SmtpServices services);
  ~SmtpSession() override;

  void on_open(Now now) override;
  std::size_t on_input(std::string_view in, Now now) override;
  void on_tls(const TlsFacts& tls, Now now) override;
  void on_end_of_input(Now now) override;
  void on_deadline(Now now) override;
  void on_output_sent(Now now) override;
  void on_shutdown(Now now) override;

  /// In place of on_open(): says why not, and closes.
  void on_refused(Refusal why, Now now);
  /// The answer to a VerifyRequest.
  void on_verified(VerifyReply reply, Now now);
  /// The answer to a SubmitRequest: message()->outcome is set.
  void on_submitted(Now now);

  /// What the session wants; taken by the driver after every call.
  std::optional<SmtpRequest>& request() noexcept { return conversation_.request; }
  /// The message to submit. Valid from a SubmitRequest until on_submitted() was called; stays owned
  /// by the session. nullptr: none.
  store::SpoolRequest* message() noexcept;
  /// After an AbandonRequest: the message to abandon. Otherwise gives the current message away (a
  /// driver that must destroy the session while the store holds the message), or nullptr.
  std::unique_ptr<store::SpoolRequest> release_message() noexcept;

  /// The picture of the directory from now on. Any time.
  void set_directory(store::DirectoryPtr directory) noexcept;

  /// Read-only view for tests, fuzzers and logs.
  const Conversation& conversation() const noexcept { return conversation_; }

 private:
  // session.cpp
  void begin(Now now) noexcept { conversation_.now = now; }
  void touch() noexcept;
  void expire(EndReason reason);
  void refuse_early_talker();
  void check_data_rate();
  void say_farewell(EndReason reason);
  void settle();
  void set_deadline();
  // session_input.cpp
  std::size_t run(std::string_view in);
  std::size_t take_input(std::string_view in);
  std::size_t take_line(std::string_view in);
  void handle_line(std::string_view line);
  void handle_command(std::string_view line);
  bool speaks_too_early();
  // session_message.cpp
  void refuse_without_memory();
  std::size_t take_data(std::string_view in);
  std::size_t take_chunk(std::string_view in);
  void take_chunk_content(std::string_view octets);
  void finish_chunk();
  void end_of_message();
  void submit_full_chunks();
  void submit(bool last);
  bool wants_claim() const noexcept;
  Fingerprint fingerprint();
  void claim();
  void submit_rest();
  void message_committed();
  void refuse_message(Reply why);
  void refuse_chunk(Reply why);
  void report_refusal(Reply why);

  Conversation conversation_;
};

}  // namespace postern::smtp

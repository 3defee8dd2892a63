// One IMAP4rev1 connection (RFC 3501) without IO: octets, store replies and the time go in; octets,
// store requests and deadlines come out. Driven by the rules of runtime/session.hpp and
// sidecars/common/mail_session.hpp.
//
// How it works: CommandReader cuts the input into commands (literals included). The command table
// (command_table.cpp) gives each a parse function that makes a Command. The session runs one
// Command at a time; at its end the selected mailbox is refreshed if it has changed (MailboxSync),
// then the tagged line is written. Between commands the same refresh happens unasked, without
// EXPUNGE (IMAP-08).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "sidecars/common/mail_session.hpp"
#include "sidecars/imap/command.hpp"
#include "sidecars/imap/command_reader.hpp"
#include "sidecars/imap/context.hpp"
#include "sidecars/imap/mailbox_sync.hpp"
#include "sidecars/imap/observer.hpp"
#include "sidecars/imap/profile.hpp"

namespace postern::imap {

/// One thread at a time; owned by its driver. Holds one command, one snapshot reference and at most
/// one read batch.
class ImapSession final : public sidecars::MailSession {
 public:
  ImapSession(std::shared_ptr<const ImapProfile> profile, PeerFacts peer);

  /// Who is told of logins, selections and the end; must outlive the session. nullptr: nobody.
  void set_observer(SessionObserver* observer) noexcept { context_.observer = observer; }

  void on_open(Now now) override;
  std::size_t on_input(std::string_view in, Now now) override;
  void on_tls(const TlsFacts& tls, Now now) override;
  void on_end_of_input(Now now) override;
  void on_deadline(Now now) override;
  void on_output_sent(Now now) override;
  void on_shutdown(Now now) override;
  void on_reply(sidecars::MailReply reply, Now now) override;
  void on_mailbox_changed(Now now) override;

  const PeerFacts& peer() const noexcept { return peer_; }
  /// The account logged in, empty before.
  std::string_view account() const noexcept { return context_.account_name; }

 private:
  enum class Phase : std::uint8_t {
    reading,       ///< no command in progress
    running,       ///< command_ waits as waits_for_ says
    syncing,       ///< command_ is through; the mailbox is refreshed before its tagged line
    announcing,    ///< no command, or IDLE: the mailbox is refreshed unasked
    starting_tls,  ///< nothing is read before on_tls()
    closed,
  };

  bool may_read() const noexcept;
  void handle(const CommandReader::Step& step);
  void handle_command(std::string_view text);
  void handle_literal(const CommandReader::Step& step);
  void proceed(Progress progress);
  void finish_command();
  void write_completion();
  void drop_command();
  void begin_sync(Phase phase, bool look);
  void start_report();
  void continue_sync();
  void after_sync();
  void maybe_announce();
  void reject(std::string_view tag, std::string_view status, std::string_view text);
  void count_bad();
  void settle(Now now);
  void say_bye(EndReason reason, std::string_view text);
  void close(EndReason reason);
  bool waits_in_idle() const noexcept;

  const PeerFacts peer_;
  Context context_;
  CommandReader reader_;
  MailboxSync sync_;
  CommandPtr command_;
  Phase phase_ = Phase::reading;
  Phase resume_phase_ = Phase::reading;  // where announcing goes back to
  Progress waits_for_ = Progress::done;
  bool reply_outstanding_ = false;
  bool output_unsent_ = false;  // since the last on_output_sent()
  bool shutting_down_ = false;
  bool input_ended_ = false;
  std::uint32_t bad_commands_ = 0;  // in a row
  MonoTime login_deadline_{};
  MonoTime activity_{};  // last sign of life of the client
};

}  // namespace postern::imap

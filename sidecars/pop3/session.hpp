// The POP3 server protocol (RFC 1939, 2449, 2595, 3206, 5034, 6856; MS-STANXPOP3) as a state
// machine without IO. Driven by the event loop, unit tests, the fuzzer and the micro benchmark
// alike.
//
// Where what is: line assembly, states and timers in session.cpp; sending messages and listings in
// session_transfer.cpp; logins in session_login.cpp; each command in commands/; the command table
// in command_table.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sidecars/common/mail_session.hpp"
#include "sidecars/pop3/command_line.hpp"
#include "sidecars/pop3/dot_stuffer.hpp"
#include "sidecars/pop3/maildrop.hpp"
#include "sidecars/pop3/observer.hpp"
#include "sidecars/pop3/profile.hpp"
#include "sidecars/pop3/read_ahead.hpp"
#include "sidecars/pop3/transfer.hpp"
#include "store/sasl/mechanism.hpp"

namespace postern::pop3 {

struct CommandEntry;

/// One POP3 connection. See runtime/session.hpp and sidecars/common/mail_session.hpp for the
/// driver's rules. In addition:
///  - on_output_sent() is needed whenever everything handed over has gone: streaming and input stop
///  at
///    kOutputHighWaterOctets until it comes.
///  - Deliver on_mailbox_changed() before the answer to the mutation that caused it is given to
///  another
///    session of this process: then "removed meanwhile" (POP-03) holds from one client's point of
///    view.
///  - A session that is dropped without close (connection reset) reports client_gone from its
///  destructor.
class Pop3Session final : public sidecars::MailSession {
 public:
  /// `observer` may be nullptr; it must outlive the session.
  Pop3Session(std::shared_ptr<const Pop3Profile> profile, PeerFacts peer,
              Pop3Observer* observer = nullptr);
  ~Pop3Session() override;

  void on_open(Now now) override;
  std::size_t on_input(std::string_view in, Now now) override;
  void on_tls(const TlsFacts& tls, Now now) override;
  void on_end_of_input(Now now) override;
  void on_deadline(Now now) override;
  void on_output_sent(Now now) override;
  void on_shutdown(Now now) override;
  void on_reply(sidecars::MailReply reply, Now now) override;
  void on_mailbox_changed(Now now) override;

  /// Octets read from the store and not yet turned into output. For tests of the memory bound.
  std::uint64_t held_octets() const noexcept;

 private:
  /// What AUTH offers, as CAPA lists it.
  static constexpr std::string_view kSaslMechanisms = "PLAIN LOGIN";

  friend struct CommandTable;  // names the command members

  /// RFC 1939's states.
  enum class State : std::uint8_t { authorization, transaction, update };
  /// What keeps the session from reading the next command.
  enum class Waiting : std::uint8_t {
    nothing,
    open,      // on_open() has not come
    tls,       // STLS was answered
    login,     // LoginReply
    maildrop,  // SnapshotReply after a login
    policy,    // PolicyReply for a CAPA before the login
    penalty,   // the delay before a failed login's answer
    recheck,   // SnapshotReply that tells whether a message is still there
    body,      // BodiesReply
    sent,      // QUIT: until everything before it has gone
    update,    // MutationDone
  };
  // session.cpp: input, answers, timers, the end
  bool reads_input() const noexcept;
  std::size_t take_octets(std::string_view in, Now now);
  void handle_line(std::string_view line, Now now);
  void handle_command(std::string_view line, Now now);
  bool count_command();
  bool refuse_command(const CommandEntry& entry, const CommandLine& line);
  void bad_command(std::string_view text);
  std::size_t line_octets_max() const noexcept;
  std::size_t skip_overlong(std::string_view in, Now now);
  void reply_ok(std::string_view text);
  void reply_error(std::string_view text);
  void send_status(std::string_view indicator, std::string_view text);
  void send(std::string_view octets);
  void restart_inactivity_timer(Now now);
  void pump();
  void settle(Now now);
  void end_session(EndReason reason);
  void report_end(EndReason reason);
  bool in_answer() const noexcept;

  // session_login.cpp: USER/PASS and AUTH end here
  bool plaintext_permitted() const noexcept;
  bool stls_possible() const noexcept;
  void begin_login(std::string user, std::string password, std::string_view mechanism);
  void on_login_reply(sidecars::LoginReply reply, Now now);
  void on_maildrop_reply(sidecars::SnapshotReply reply, Now now);
  void on_policy_reply(sidecars::PolicyReply reply);
  void send_capabilities(const store::MailboxPolicy& policy, bool differs_by_user);
  void login_failed(Now now);
  void refuse_login(std::string_view text, Now now);
  void answer_failed_login();
  void handle_sasl_line(std::string_view line, Now now);
  void take_sasl_step(sasl::Step step, Now now);
  void forget_client();
  LoginEvent login_event() const;

  // session_transfer.cpp
  void begin_transfer(std::uint64_t number, std::optional<std::uint64_t> top_lines);
  void continue_transfer();
  void request_octets();
  void attach(BodyPiece piece);
  void fail_transfer(const Error& error);
  void produce_transfer();
  void finish_transfer();
  void produce_listing();
  void on_recheck_reply(sidecars::SnapshotReply reply);
  void check_presence();
  void send_transfer_status();
  void on_bodies_reply(sidecars::BodiesReply reply);
  void on_update_reply(sidecars::MutationDone done);
  std::optional<std::uint64_t> message_argument(std::string_view text);

  // commands/: one file each
  void command_auth(const CommandLine& line, Now now);
  void command_capa(const CommandLine& line, Now now);
  void command_dele(const CommandLine& line, Now now);
  void command_lang(const CommandLine& line, Now now);
  void command_list(const CommandLine& line, Now now);
  void command_noop(const CommandLine& line, Now now);
  void command_pass(const CommandLine& line, Now now);
  void command_quit(const CommandLine& line, Now now);
  void begin_update();
  void command_retr(const CommandLine& line, Now now);
  void command_rset(const CommandLine& line, Now now);
  void command_stat(const CommandLine& line, Now now);
  void command_stls(const CommandLine& line, Now now);
  void command_top(const CommandLine& line, Now now);
  void command_uidl(const CommandLine& line, Now now);
  void command_user(const CommandLine& line, Now now);
  void command_utf8(const CommandLine& line, Now now);

  const std::shared_ptr<const Pop3Profile> profile_;
  const PeerFacts peer_;
  Pop3Observer* const observer_;

  State state_ = State::authorization;
  Waiting waiting_ = Waiting::open;
  bool tls_active_ = false;
  bool stopping_ = false;     // on_shutdown() came: say good-bye when the answer is out
  bool input_ended_ = false;  // on_end_of_input() came: close when the answer is out
  bool ended_ = false;        // end_session() was called

  std::string line_;  // beginning of a line whose end has not come; bounded by line_octets_max()
  std::size_t overlong_octets_ = 0;  // > 0: skipping the rest of a line that was too long
  std::string_view pending_input_;   // behind the command being handled; valid during it only
  std::size_t unsent_octets_ = 0;    // handed over since the last on_output_sent()
  std::uint32_t bad_commands_ = 0;   // in a row
  std::uint32_t commands_ = 0;       // in all, lines of SASL exchanges included
  std::uint32_t logon_failures_ = 0;

  std::string user_;                // USER's or SASL's user name, until the login is decided
  bool user_given_ = false;         // USER was answered +OK: PASS may come
  std::string mechanism_;           // of the login under way
  std::string_view login_refusal_;  // what the answer says that is held back; static
  std::unique_ptr<sasl::Mechanism> sasl_exchange_;  // AUTH: the next line is not a command
  std::string account_;                             // canonical name, once logged in

  store::MailboxPolicy policy_;  // what holds for it

  Maildrop maildrop_;
  store::MailboxSnapshotPtr
      newest_;  // what the mailbox looked like at the last recheck; null: as at login
  bool mailbox_changed_ = false;  // newest_ may be outdated
  ReadAhead read_ahead_;
  std::optional<Transfer> transfer_;
  std::optional<Listing> listing_;
  SessionSummary summary_;
};

}  // namespace postern::pop3

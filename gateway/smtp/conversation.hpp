// The state of one SMTP connection as the commands see and change it, and the few things they can
// do: reply, ask, begin a message, end the session. All state of the protocol is in this file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/smtp/data_reader.hpp"
#include "gateway/smtp/message_intake.hpp"
#include "gateway/smtp/profile.hpp"
#include "gateway/smtp/replies.hpp"
#include "gateway/smtp/requests.hpp"
#include "gateway/smtp/services.hpp"
#include "gateway/smtp/syntax/mail_parameters.hpp"
#include "runtime/session.hpp"
#include "store/sasl/mechanism.hpp"

namespace postern::smtp {

/// How the client introduced itself.
enum class Hello : std::uint8_t { none, helo, ehlo };

/// What the next octets from the client are.
enum class InputMode : std::uint8_t {
  command,        ///< a command line
  auth_response,  ///< a line of base64 in an AUTH exchange
  data,           ///< a message behind DATA
  chunk,          ///< octets of a BDAT chunk
};

/// What has to happen before input is consumed again.
enum class Wait : std::uint8_t {
  none,
  open,       ///< on_open() or on_refused()
  verify,     ///< on_verified()
  submit,     ///< on_submitted()
  handshake,  ///< on_tls(); clear text that arrives is discarded
  tarpit,     ///< a deadline: `held` is then sent
  duplicate,  ///< a deadline: another session may have stored the same message by then
};

/// From MAIL to the reply that ends the message.
struct Transaction {
  bool open = false;                    ///< MAIL was accepted
  std::uint64_t declared_octets = 0;    ///< SIZE= of MAIL (RFC 1870); 0: none
  bool chunking = false;                ///< a BDAT chunk was begun: only BDAT and RSET may follow
  bool streamed = false;                ///< the store has leading chunks of the message
  bool refusal_reported = false;        ///< the observer knows that the message is refused
  bool last_submit = false;             ///< the submit in flight is the last one
  bool last_chunk = false;              ///< the chunk being read is BDAT LAST
  std::uint64_t chunk_octets = 0;       ///< size of the chunk being read
  std::uint64_t chunk_octets_left = 0;  ///< of it, still to come
  std::optional<Reply>
      chunk_refusal;  ///< the chunk was out of order: it is read, thrown away and answered so
  AskedTimes times;   ///< what MAIL asked for
  std::optional<Fingerprint> fingerprint;  ///< of the complete message, once it was asked for
  bool claimed = false;                    ///< services.duplicates knows it as being stored
};

/// Counted for limits and for the summary.
struct Counters {
  std::uint32_t protocol_errors = 0;
  std::uint32_t logon_failures = 0;
  std::uint32_t messages_accepted = 0;
  std::uint32_t messages_refused = 0;
  std::uint32_t recipients_refused = 0;
  std::uint32_t transactions = 0;  ///< MAIL commands, refused ones too
  std::uint32_t commands = 0;
};

/// See the top of this file. Owned by the session. Command handlers get it by reference.
struct Conversation {
  Conversation(std::shared_ptr<const SmtpProfile> for_profile, PeerFacts for_peer,
               SmtpServices with_services, SessionOutput& output);

  // --- given ---
  const std::shared_ptr<const SmtpProfile> profile;
  PeerFacts peer;              ///< XCLIENT changes it
  const bool xclient_allowed;  ///< the connection itself comes from a trusted network
  SmtpServices services;
  SessionOutput& out;
  Now now;  ///< of the event that is being handled

  // --- the connection ---
  std::optional<TlsFacts> tls;
  Hello hello = Hello::none;
  std::string hello_name;
  std::string identity;                        ///< authenticated account, empty if none
  std::unique_ptr<sasl::Mechanism> mechanism;  ///< of the AUTH exchange in progress
  std::string mechanism_name;                  ///< as the client sent it
  std::string claimed_user;                    ///< user name being verified
  InputMode mode = InputMode::command;
  Wait wait = Wait::open;
  bool shutting_down = false;
  bool input_ended = false;
  bool ended = false;             ///< end() was called
  std::optional<EndReason> late;  ///< a deadline passed while an answer was awaited
  std::string line;               ///< beginning of a line that is not complete yet
  bool line_too_long = false;     ///< the rest of the line is thrown away
  bool followed = false;          ///< input was there behind the line that is being handled
  std::string held;               ///< replies held back (SMTP-20)
  MonoTime held_until{};
  MonoTime duplicate_retry_at{};  ///< with Wait::duplicate
  MonoTime duplicate_give_up_at{};
  std::optional<MonoTime> connection_deadline;
  std::optional<MonoTime> inactivity_deadline;
  Counters counters;
  bool greeted = false;  ///< the greeting was sent: octets before it are an early talker's
  std::uint32_t commands_unsent = 0;  ///< run since everything that was replied had been sent
  std::optional<MonoTime> data_rate_deadline;  ///< the octets of a message are looked at then
  std::uint64_t data_rate_octets = 0;          ///< that came since it was set
  bool sender_refused = false;                 ///< the last MAIL was refused

  // --- the message ---
  Transaction transaction;
  std::unique_ptr<store::SpoolRequest> message;    ///< kept and used again for the next message
  std::unique_ptr<store::SpoolRequest> abandoned;  ///< waits for the driver (AbandonRequest)
  std::string trace;  ///< trace header being written; kept for its capacity
  MessageIntake intake;
  DataReader data_reader;
  NewlineCheck newline_check;

  std::optional<SmtpRequest> request;

  bool authenticated() const noexcept { return !identity.empty(); }
  /// The client may send to anyone: it has logged in, or comes from a network that need not.
  bool may_relay() const noexcept {
    return authenticated() || (profile->access.trusted_relay && peer.trusted);
  }
  /// Input may be consumed.
  bool ready() const noexcept {
    return wait == Wait::none && !ended && !request && !pipeline_full();
  }
  /// Enough commands were run ahead of their replies: the next wait until those are sent.
  bool pipeline_full() const noexcept {
    const std::uint32_t max = profile->pipeline_commands_max;
    return max != 0 && mode == InputMode::command && commands_unsent >= max;
  }
  /// Octets of a message follow: the client is expected to send them at some pace.
  void start_data_rate() noexcept;
  /// Holds everything that is sent from now on back for `delay`.
  void hold_back(Duration delay);
  /// A message is being received or committed: shutdown waits for it.
  bool message_in_flight() const noexcept {
    return mode == InputMode::data || mode == InputMode::chunk || transaction.chunking ||
           wait == Wait::submit || wait == Wait::duplicate;
  }
  /// The extensions whose parameters are known on this connection.
  Offers offers() const noexcept;

  /// Sends a reply. An error to an unauthenticated client is held back for the profile's tarpit
  /// delay.
  void reply(Reply which, std::string_view argument = {});
  /// Sends text that is no row of the table (greeting, EHLO, challenges).
  void send(std::string_view text) { sink().append(text); }
  /// Replies to a client's mistake and counts it (SMTP-12); too many end the session.
  void protocol_error(Reply which);
  /// A mistake in MAIL, or in giving it now: protocol_error(), and the rest of its group is known
  /// to come to nothing.
  void mail_error(Reply which);
  /// Refuses RCPT, DATA or BDAT. Behind a MAIL that was refused, for whatever reason, this is not
  /// counted: a client that pipelines has sent the rest of the transaction before it knows, and one
  /// mistake is one (SMTP-12).
  void error_behind_mail(Reply which);
  /// The listener does not take the client: says why, and ends the session at once.
  void refuse(Refusal why);
  /// Replies to a logon that was right: the client is `identity` from now on, unless the listener
  /// is not for that account (SMTP-15), which ends the session.
  void log_in(std::string who);
  /// Replies to a failed logon and counts it (SMTP-12); too many end the session.
  void logon_failure(Reply which);
  /// Counts a MAIL command. False: it was one too many, and the session has ended (RFC 9422).
  bool count_transaction();
  /// Ends the session, behind what was replied.
  void end(EndReason reason);
  /// Replies, then ends the session.
  void end_with(Reply which, EndReason reason);

  /// Replies and ends the session at once, without the tarpit: whoever is told does not read it, or
  /// did nothing wrong.
  void cut_off(Reply which, EndReason reason);

  /// Opens a transaction with an empty envelope (MAIL). Takes what it keeps out of `parameters`.
  void open_transaction(std::string_view reverse_path, MailParameters& parameters);
  /// Gives the envelope its id and writes the trace header: the message's octets follow (DATA,
  /// BDAT).
  void start_message();
  /// Forgets transaction and message; what the store has of it is abandoned.
  void reset_transaction();
  /// The claim on the message's fingerprint, if there is one, is given up.
  void release_claim();
  /// The store is told to forget a streamed message; the driver takes it.
  void abandon_message();
  /// What a TLS handshake makes the server forget (RFC 3207 section 4.2).
  void forget_client();
  /// Drops the AUTH exchange in progress.
  void end_auth_exchange();

 private:
  std::string& sink() noexcept { return wait == Wait::tarpit ? held : out.bytes; }
};

}  // namespace postern::smtp

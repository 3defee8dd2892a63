// What a session is given by its driver besides events: ids, an observer, a policy, the directory.
#pragma once

#include <optional>
#include <string_view>

#include "gateway/smtp/content_digest.hpp"
#include "gateway/smtp/message_id.hpp"
#include "gateway/smtp/observer.hpp"
#include "runtime/session.hpp"
#include "runtime/time.hpp"
#include "store/directory.hpp"
#include "store/mailbox_quotas.hpp"

namespace postern::smtp {

/// Why a connection is not admitted: what SmtpSession::on_refused() is told.
enum class Refusal : std::uint8_t {
  out_of_resources,        ///< SMTP-13: 452 4.3.1
  unavailable,             ///< SMTP-14: 421 4.4.2
  binding_not_configured,  ///< SMTP-15: 421 4.3.2
  connections,             ///< SMTP-16: 421 4.3.2
  connections_per_source,  ///< SMTP-17: 421 4.3.2
  address_not_allowed,     ///< SMTP-18: 550 5.7.1
};

/// Asked for the client that a proxy names (XCLIENT). Core thread.
class ClientGate {
 public:
  virtual ~ClientGate() = default;
  /// Whether the listener takes `client` on this connection, by its networks and its limit per
  /// source (SMTP-15, -17, -18). Not refused: the connection counts as that client's from now on.
  virtual std::optional<Refusal> admit(const PeerFacts& client) = 0;
};

/// What the policy says to MAIL.
enum class MessageVerdict : std::uint8_t {
  admitted,
  message_rate,  ///< SMTP-09: 421 4.4.2, and the session ends
  octet_rate,    ///< 452 4.7.1: the account has sent too many octets
  no_room,       ///< SMTP-13: 452 4.3.1
};

/// Decisions that need more than one session's memory (rates, penalties), about one client: a
/// session has one of its own. Answers come at once, from memory. Core thread.
class SmtpPolicy {
 public:
  virtual ~SmtpPolicy() = default;
  /// Whether the client may begin another message; one that is admitted is counted. `identity` is
  /// empty before AUTH; `size_octets` is what SIZE= says, 0 if nothing.
  virtual MessageVerdict admit_message(std::string_view identity, std::uint64_t size_octets,
                                       Now now) = 0;
  /// Whether the account may send to another recipient; counts it.
  virtual bool admit_recipient(std::string_view /*identity*/, Now) { return true; }
  /// Whether the account may send a message of so many octets, which are all here; counts them.
  virtual bool admit_octets(std::string_view /*identity*/, std::uint64_t /*octets*/, Now) {
    return true;
  }
  /// Whether more octets of a message may be held in memory (SMTP-13). Asked before some are taken.
  /// `own_octets`, which the message holds already, do not speak against it: alone it has room.
  virtual bool has_memory(std::uint64_t /*own_octets*/) { return true; }
  /// How long the greeting is held back from a client that misbehaved before (SMTP-20); zero: not
  /// at all.
  virtual Duration greeting_delay(Now now) = 0;
  /// The session goes on for another client (XCLIENT).
  virtual void set_peer(const PeerFacts&) {}
  /// How long the reply to an accepted MAIL is held back (SMTP-13); zero: not at all.
  virtual Duration mail_delay(std::string_view /*identity*/) { return Duration::zero(); }
  /// An error reply to the client is being held back (SMTP-20).
  virtual void on_error_held_back(Now) {}
};

/// Remembers messages, so that one that is sent again is not stored again. Shared by all cores:
/// every function is thread-safe and answers at once.
class DuplicateMemory {
 public:
  virtual ~DuplicateMemory() = default;
  enum class Claim : std::uint8_t {
    fresh,      ///< not known: it is claimed now, and must be settled with remember() or release()
    repeated,   ///< stored before: `id` is what the first one got
    in_flight,  ///< another session is storing it: ask again
  };
  /// Asks for a message and claims it. `id` is the message's own; replaced when `repeated`.
  virtual Claim claim(const Fingerprint& message, std::string& id, Now now) = 0;
  /// The claimed message is durable; it is known for `lifetime` from now on. `id` is the one that
  /// it was claimed with: of a claim that was not kept (no room, or it took too long) nothing is
  /// left, and another session's is not touched.
  virtual void remember(const Fingerprint& message, std::string_view id, Now now,
                        Duration lifetime) = 0;
  /// The claimed message was not stored. `id` as above.
  virtual void release(const Fingerprint& message, std::string_view id) = 0;
  /// Of the fingerprints: random, fixed for the process.
  virtual std::uint64_t seed() const noexcept = 0;
};

/// All must outlive the session.
struct SmtpServices {
  MessageIdSource* ids = nullptr;                ///< never null
  SmtpObserver* observer = nullptr;              ///< never null
  SmtpPolicy* policy = nullptr;                  ///< null: everything is admitted at once
  store::DirectoryPtr directory;                 ///< never null
  DuplicateMemory* duplicates = nullptr;         ///< null: every message is stored
  ClientGate* clients = nullptr;                 ///< null: a proxy may name anybody
  const store::MailboxQuotas* quotas = nullptr;  ///< null: no mailbox is ever full
};

}  // namespace postern::smtp

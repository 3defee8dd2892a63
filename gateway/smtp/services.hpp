// What a session is given by its driver besides events: ids, an observer, a policy, the directory.
#pragma once

#include <string_view>

#include "gateway/smtp/content_digest.hpp"
#include "gateway/smtp/message_id.hpp"
#include "gateway/smtp/observer.hpp"
#include "runtime/session.hpp"
#include "runtime/time.hpp"
#include "store/directory.hpp"

namespace postern::smtp {

/// Decisions that need more than one session's memory (rates, penalties). Answers come at once,
/// from memory. Core thread.
class SmtpPolicy {
 public:
  virtual ~SmtpPolicy() = default;
  /// Whether the client may begin another message (SMTP-09). `identity` is empty before AUTH.
  virtual bool admit_message(const PeerFacts& peer, std::string_view identity, Now now) = 0;
  /// Whether there is memory for another message now (SMTP-13); if not, MAIL is answered 452 4.3.1.
  virtual bool has_room() { return true; }
  /// How long the greeting is held back from a client that misbehaved before (SMTP-20); zero: not
  /// at all.
  virtual Duration greeting_delay(const PeerFacts& peer, Now now) = 0;
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
  /// The claimed message is durable; it is known for `lifetime` from now on.
  virtual void remember(const Fingerprint& message, Now now, Duration lifetime) = 0;
  /// The claimed message was not stored.
  virtual void release(const Fingerprint& message) = 0;
  /// Of the fingerprints: random, fixed for the process.
  virtual std::uint64_t seed() const noexcept = 0;
};

/// All must outlive the session.
struct SmtpServices {
  MessageIdSource* ids = nullptr;         ///< never null
  SmtpObserver* observer = nullptr;       ///< never null
  SmtpPolicy* policy = nullptr;           ///< null: everything is admitted at once
  store::DirectoryPtr directory;          ///< never null
  DuplicateMemory* duplicates = nullptr;  ///< null: every message is stored
};

/// Why a connection is not admitted: what SmtpSession::on_refused() is told.
enum class Refusal : std::uint8_t {
  out_of_resources,        ///< SMTP-13: 452 4.3.1
  unavailable,             ///< SMTP-14: 421 4.4.2
  binding_not_configured,  ///< SMTP-15: 421 4.3.2
  connections,             ///< SMTP-16: 421 4.3.2
  connections_per_source,  ///< SMTP-17: 421 4.3.2
  address_not_allowed,     ///< SMTP-18: 550 5.7.1
};

}  // namespace postern::smtp

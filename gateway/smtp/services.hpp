// What a session is given by its driver besides events: ids, an observer, a policy, the directory.
#pragma once

#include <string_view>

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

/// All must outlive the session.
struct SmtpServices {
  MessageIdSource* ids = nullptr;    ///< never null
  SmtpObserver* observer = nullptr;  ///< never null
  SmtpPolicy* policy = nullptr;      ///< null: everything is admitted at once
  store::DirectoryPtr directory;     ///< never null
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

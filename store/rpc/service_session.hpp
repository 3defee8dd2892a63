// The service's half of the store service's protocol, without IO: one object for each connected
// sidecar or command line.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "runtime/session.hpp"
#include "store/rpc/messages.hpp"
#include "store/rpc/protocol.hpp"

namespace postern::store::rpc {

/// Requests of one connection that may wait for their answers at once; further input waits. A
/// sidecar has one for each of its busy mail clients, and a hash or a commit takes milliseconds.
inline constexpr std::size_t kOutstandingMax = 1024;
/// Logins are outside that window: a penalty holds their answers back for seconds, and a thousand
/// guessers must not keep everybody else's requests waiting behind theirs. Beyond this many a login
/// is refused at once. One for each mail client of a large sidecar's core, some 64 octets each
/// here; the driver bounds what it keeps of them.
inline constexpr std::size_t kLoginsOutstandingMax = 16 * 1024;
/// Octets of the requests in the window: a few mutations of the largest kind, or very many ordinary
/// ones.
inline constexpr std::size_t kOutstandingOctetsMax = 16u << 20;
/// Unsent octets at which a connection's input waits until the peer reads.
inline constexpr std::size_t kOutputHighOctets = 256u << 10;
/// Mailboxes one connection may watch: an IDLE each for all connections of a large sidecar. 64
/// octets each.
inline constexpr std::size_t kSubscriptionsMax = 100'000;
/// Change notifications sent in one go (34 octets each).
inline constexpr std::size_t kChangesPerTurn = 1024;
/// A client that connects speaks at once; one that does not is stuck.
inline constexpr Duration kHelloTimeout = std::chrono::seconds(10);

/// What the peer may do, decided by the driver from SO_PEERCRED.
struct Rights {
  bool mailboxes = false;       ///< Authenticate, Mutate, Subscribe, ViewPosition: sidecars
  bool administration = false;  ///< DomainAdd .. QueueList: the command line
};

/// State machine of one connection. Driver rule, in addition to those of Session: after every call,
/// take requests with take_request() until there is none, carry them out, and hand every answer to
/// reply() on the same thread, in any order. Feed every committed change of any mailbox to
/// notify(): the session passes on what its peer subscribed to.
///
/// Requests are refused here, with an error reply, when the peer lacks the right, watches too many
/// mailboxes or has too many logins under way. What is not this protocol gets an error with id 0
/// and the connection is closed. Owner and thread: the store service's loop.
class ServiceSession final : public Session {
 public:
  explicit ServiceSession(Rights rights) : rights_(rights) {}

  void on_open(Now now) override;
  std::size_t on_input(std::string_view in, Now now) override;
  void on_tls(const TlsFacts&, Now) override {}
  void on_end_of_input(Now now) override;
  void on_deadline(Now now) override;
  void on_output_sent(Now now) override;
  /// Answers what was taken in, takes in nothing more, then closes.
  void on_shutdown(Now now) override;

  /// The next request, in the order of arrival. Ping, Unsubscribe and ViewPosition are handled here
  /// and do not appear. Subscribe does: by then the subscription is in force, and PositionReply
  /// must carry the store's position read after this call.
  std::optional<Request> take_request();

  /// The answer to the request `id`, which must be outstanding; its kind must be the one that
  /// rpc/messages.hpp names for the request. Ignored after close. A reply too large for a frame
  /// becomes the error exhausted.
  void reply(std::uint64_t id, Result<ReplyBody> body);

  /// A mailbox has changed. Coalesced to the latest of each mailbox while output waits for the
  /// peer.
  void notify(const Changed& changed);

  /// How far the peer's view is; nullopt until it said so (a command line never does).
  std::optional<StorePosition> view_position() const noexcept { return view_position_; }
  /// The peer's name of itself, for the log; empty before Hello.
  const std::string& client() const noexcept { return client_; }
  bool watches(MailboxId mailbox) const { return subscriptions_.contains(raw(mailbox)); }
  std::size_t subscription_count() const noexcept { return subscriptions_.size(); }
  /// Requests taken in and not answered.
  std::size_t outstanding() const noexcept { return outstanding_.size(); }
  /// Notifications that wait for the peer to read.
  std::size_t pending_changes() const noexcept { return pending_changes_.size(); }

 private:
  void accept(Request request, std::size_t frame_octets);
  bool refuse(const Request& request);
  bool handled_here(const Request& request);
  void violation(ErrorCode code, std::string text);
  void send(const Message& message);
  void send_changes();
  bool wants_input() const noexcept;
  void close_when_drained();

  const Rights rights_;
  FrameReader reader_;
  std::deque<Request> requests_;  // parsed, not taken by the driver
  struct Waiting {
    std::size_t reply_index;   // of its ReplyBody
    std::size_t frame_octets;  // what it holds in memory, nearly; 0 outside the window
    bool login;
  };
  std::unordered_map<std::uint64_t, Waiting> outstanding_;  // by request id
  std::size_t outstanding_octets_ = 0;
  std::size_t logins_outstanding_ = 0;  // of outstanding_, those outside the window
  std::unordered_set<std::uint64_t> subscriptions_;
  std::unordered_map<std::uint64_t, Changed> pending_changes_;  // subset of subscriptions_
  std::optional<StorePosition> view_position_;
  std::string client_;
  std::size_t unsent_octets_ = 0;  // handed to output() since everything was last sent
  bool hello_seen_ = false;
  bool draining_ = false;
  bool closed_ = false;
};

}  // namespace postern::store::rpc

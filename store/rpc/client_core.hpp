// The client's half of the store service's protocol, without IO: what a sidecar's event loop and
// the blocking client drive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "runtime/result.hpp"
#include "store/rpc/messages.hpp"
#include "store/rpc/protocol.hpp"

namespace postern::store::rpc {

/// One connection to the store service. One owner, one thread at a time.
///
/// How to drive it: make one for each connection; send its output() (and clear it) after every
/// call; give what arrives to on_input(), then act on take_events(). When the connection ends or
/// on_input() fails, answer what outstanding() lists with `unavailable` and make a new one; a
/// Mutate may be sent again there with the same idempotency key.
class ClientCore {
 public:
  using Event = std::variant<Reply, Changed>;

  /// Queues Hello. `client_name` is for the service's log: "imap", "pop3", "cli".
  explicit ClientCore(std::string client_name);

  /// Queues a request; more may be queued before earlier ones are answered, also before hello().
  /// Gives its id (0 for ViewPosition). invalid_argument: a field is beyond the protocol's limits,
  /// nothing was queued.
  Result<std::uint64_t> send(RequestBody request);

  /// Octets from the service, any split. An error (corrupted: not this protocol; unsupported:
  /// another version; unavailable: the service gave the connection up, the text says why): close
  /// the connection, feed nothing more.
  Result<void> on_input(std::string_view octets);

  /// Replies and changes since the last call, in the order they came. The reply to Hello is not
  /// among them.
  std::vector<Event> take_events();

  /// Set once the service has answered Hello.
  const std::optional<HelloReply>& hello() const noexcept { return hello_; }

  /// Octets to send. Drained by the owner.
  std::string& output() noexcept { return output_; }

  /// Ids of requests without an answer, ascending; Hello's is not among them.
  std::vector<std::uint64_t> outstanding() const;

 private:
  Result<void> on_reply(Reply reply);

  FrameReader reader_;
  std::string output_;
  std::uint64_t next_id_ = 1;
  std::uint64_t hello_id_ = 0;
  std::optional<HelloReply> hello_;
  std::unordered_map<std::uint64_t, std::size_t>
      outstanding_;  // id -> index of the expected ReplyBody
  std::vector<Event> events_;
};

}  // namespace postern::store::rpc

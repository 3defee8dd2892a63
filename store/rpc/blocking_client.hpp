// A small blocking client of the store service: for the command line and tests, not for event loops
// (those drive rpc/client_core.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "store/rpc/client_core.hpp"
#include "store/rpc/messages.hpp"

namespace postern::store::rpc {

/// How long one call may take before the service counts as not answering. Hashing a password takes
/// tenths of a second on a busy machine; a person at a terminal gives up later than this.
inline constexpr std::chrono::milliseconds kCallTimeout{10'000};

/// One connection, one thread at a time. Every call sends one request and waits for its answer or
/// the timeout. Errors are whole sentences with a remedy, fit to be printed after "postern: ".
///   unavailable: nobody listens, no answer in time, or the connection broke (the call may have had
///   its effect); permission_denied: the socket's file mode or the service refuses this user;
///   anything else is the service's own answer.
class BlockingClient {
 public:
  /// Connects to the Unix socket at `socket_path` and exchanges Hello. `client_name` is for the
  /// log.
  static Result<BlockingClient> connect(std::string socket_path, std::string client_name = "cli",
                                        std::chrono::milliseconds call_timeout = kCallTimeout);
  BlockingClient(BlockingClient&& other) noexcept;
  BlockingClient& operator=(BlockingClient&& other) noexcept;
  BlockingClient(const BlockingClient&) = delete;
  BlockingClient& operator=(const BlockingClient&) = delete;
  ~BlockingClient();

  /// What the gateway said of itself.
  const HelloReply& hello() const noexcept { return hello_; }

  /// Sends a request and waits for its reply. After `unavailable` the connection is closed and
  /// every further call fails the same way.
  Result<ReplyBody> call(RequestBody request);

  Result<void> ping();
  Result<void> domain_add(std::string domain);
  Result<void> domain_delete(std::string domain);
  /// All domains, sorted; fetched in pages.
  Result<std::vector<std::string>> domain_list();
  Result<void> user_add(std::string name, std::string password, std::vector<std::string> aliases);
  Result<void> user_delete(std::string name);
  Result<void> user_password(std::string name, std::string password);
  Result<void> user_send_as(std::string name, std::string address, bool granted);
  Result<void> user_set(std::string name, AccountSettingsChange change);
  /// All accounts, sorted by name; fetched in pages.
  Result<std::vector<UserEntry>> user_list();
  /// The oldest `limit` messages of the relay queue, and how many there are.
  Result<QueueListReply> queue_list(std::uint32_t limit);
  Result<AuthenticateReply> authenticate(Authenticate request);
  Result<MutationReply> mutate(Mutation mutation);
  Result<PositionReply> subscribe(MailboxId mailbox);
  Result<void> unsubscribe(MailboxId mailbox);
  /// Sends a ViewPosition, which has no answer.
  Result<void> send_view_position(StorePosition position);
  /// Waits up to `timeout` for a change of a subscribed mailbox; nullopt: none came.
  Result<std::optional<Changed>> wait_changed(std::chrono::milliseconds timeout);

  bool is_open() const noexcept { return fd_ >= 0; }

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  BlockingClient(std::string socket_path, std::string client_name,
                 std::chrono::milliseconds call_timeout);
  Result<void> open();
  Result<void> turn(Deadline deadline);
  Result<void> flush(Deadline deadline);
  Result<void> receive();
  void remember(const Changed& changed);
  std::unexpected<Error> close_with(Error error);
  Error not_there(int error_number) const;
  template <class T>
  Result<T> expect(RequestBody request);
  Result<void> expect_done(RequestBody request);

  std::string path_;
  std::chrono::milliseconds call_timeout_;
  int fd_ = -1;
  ClientCore core_;
  std::vector<Changed> changes_;  // not asked for yet, the latest of each mailbox
  HelloReply hello_;
};

}  // namespace postern::store::rpc

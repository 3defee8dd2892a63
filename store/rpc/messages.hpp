// What the store service and its clients (sidecars, command line) say to each other: plain values.
// rpc/protocol.hpp turns them into frames and back.
//
// A conversation: the client speaks first with Hello; every request carries an id chosen by the
// client and unique among its unanswered ones; a reply carries the id of its request, replies come
// in any order. ViewPosition is the one message without an answer; Changed is the one that nobody
// asked for.
//
// To add a request: a struct here (and its reply, if Done does not do), its place at the END of
// RequestBody (ReplyBody), its fields() in protocol_fields.hpp, its row in answers() in
// protocol.cpp. A round trip in tests/unit/store/rpc_protocol_test.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "runtime/result.hpp"
#include "store/account_settings.hpp"
#include "store/mutation.hpp"
#include "store/types.hpp"

namespace postern::store::rpc {

/// Grows when a frame changes in a way an older peer cannot read. Both sides must agree exactly:
/// the programs are installed together, so a mismatch means a process that was not restarted.
inline constexpr std::uint8_t kProtocolVersion = 5;

// --- requests
// ---------------------------------------------------------------------------------------

/// First message of a client. Reply: HelloReply.
struct Hello {
  std::uint32_t protocol_version = kProtocolVersion;
  std::string client;  ///< who speaks, for the log: "imap", "pop3", "cli"
  friend bool operator==(const Hello&, const Hello&) = default;
};

/// Check a user name and password. Reply: AuthenticateReply.
struct Authenticate {
  std::string user;
  std::string password;        ///< secret: never logged
  std::string protocol;        ///< "imap", "pop3": for the log and the penalty table
  std::string client_address;  ///< textual address of the mail client, for penalties; empty: none
  std::uint64_t attempt = 0;   ///< random; the same when it is sent again over another link
  friend bool operator==(const Authenticate&, const Authenticate&) = default;
};

/// Change a mailbox. Reply: MutationReply.
struct Mutate {
  Mutation mutation;
};

/// Tell this client about changes of a mailbox from now on. Subscribing twice is subscribing once.
/// Reply: PositionReply; a view at that position misses nothing that Changed does not report.
struct Subscribe {
  MailboxId mailbox{};
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

/// No more changes of that mailbox. A Changed already under way may still arrive. Reply: Done.
struct Unsubscribe {
  MailboxId mailbox{};
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

/// How far this client's view of the store is: the writer keeps what an older view still needs. The
/// first one registers the view, the end of the connection removes it. No reply, request id 0.
struct ViewPosition {
  StorePosition position = 0;
  friend bool operator==(const ViewPosition&, const ViewPosition&) = default;
};

/// Is anybody there? Reply: Done.
struct Ping {
  friend bool operator==(const Ping&, const Ping&) = default;
};

/// Administration (needs the right to): create a local domain. Reply: Done, or already_exists.
struct DomainAdd {
  std::string domain;
  friend bool operator==(const DomainAdd&, const DomainAdd&) = default;
};

/// Remove a local domain that has no accounts left. Reply: Done, or not_found.
struct DomainDelete {
  std::string domain;
  friend bool operator==(const DomainDelete&, const DomainDelete&) = default;
};

/// One page of the local domains, sorted. Reply: DomainListReply.
struct DomainList {
  std::string after;        ///< names behind this one; empty: from the start
  std::uint32_t limit = 0;  ///< at most so many, 1 .. kListEntriesMax
  friend bool operator==(const DomainList&, const DomainList&) = default;
};

/// Create an account with its INBOX. Reply: Done, or already_exists / not_found (domain).
struct UserAdd {
  std::string name;      ///< "user@domain"
  std::string password;  ///< secret; hashed by the gateway; empty: no password login
  std::vector<std::string> aliases;
  friend bool operator==(const UserAdd&, const UserAdd&) = default;
};

/// Remove an account. Reply: Done, or not_found.
struct UserDelete {
  std::string name;
  friend bool operator==(const UserDelete&, const UserDelete&) = default;
};

/// Set an account's password. Reply: Done, or not_found.
struct UserPassword {
  std::string name;
  std::string password;  ///< secret
  friend bool operator==(const UserPassword&, const UserPassword&) = default;
};

/// Let an account send as an address ("@domain": as any of a domain), or no longer. Reply: Done, or
/// not_found, invalid_argument, exhausted.
struct UserSendAs {
  std::string name;
  std::string address;
  bool granted = true;
  friend bool operator==(const UserSendAs&, const UserSendAs&) = default;
};

/// Change an account's own settings. Reply: Done, or not_found / invalid_argument.
struct UserSet {
  std::string name;
  AccountSettingsChange change;
  friend bool operator==(const UserSet&, const UserSet&) = default;
};

/// What may hold for some account, for a client that has not logged in yet. Reply:
/// StrictestPolicyReply.
struct StrictestPolicy {
  friend bool operator==(const StrictestPolicy&, const StrictestPolicy&) = default;
};

/// One page of the accounts, sorted by name. Reply: UserListReply.
struct UserList {
  std::string after;
  std::uint32_t limit = 0;
  friend bool operator==(const UserList&, const UserList&) = default;
};

/// The relay queue, oldest first. Reply: QueueListReply.
struct QueueList {
  std::uint32_t limit = 0;  ///< at most so many entries, 1 .. kListEntriesMax
  friend bool operator==(const QueueList&, const QueueList&) = default;
};

/// A login came to nothing: its client was gone before it heard, or did not get into its mailbox.
/// Takes back the delay that it began. Reply: Done.
struct LoginUndone {
  AccountId account{};
  std::uint64_t attempt = 0;  ///< Authenticate's
  friend bool operator==(const LoginUndone&, const LoginUndone&) = default;
};

using RequestBody =
    std::variant<Hello, Authenticate, Mutate, Subscribe, Unsubscribe, ViewPosition, Ping, DomainAdd,
                 DomainDelete, DomainList, UserAdd, UserDelete, UserPassword, UserList, QueueList,
                 UserSendAs, UserSet, StrictestPolicy, LoginUndone>;

// --- replies
// ----------------------------------------------------------------------------------------

struct HelloReply {
  std::uint32_t protocol_version = kProtocolVersion;
  std::uint64_t gateway_epoch =
      0;  ///< random, new at every start of the gateway: reopen views when it changes
  std::string store_path;      ///< folder that holds mail/ and bodies/
  StorePosition position = 0;  ///< the store's current position
  friend bool operator==(const HelloReply&, const HelloReply&) = default;
};

/// A wrong password and an unknown user cannot be told apart.
struct AuthenticateReply {
  enum class Outcome : std::uint8_t {
    ok,
    bad_credentials,
    unavailable,
    too_soon,  ///< right, but the account logged in a moment ago (LOGIN-DELAY)
  };
  Outcome outcome = Outcome::unavailable;
  AccountId account{};  ///< when ok, and so are the rest
  std::string name;     ///< canonical account name
  MailboxId inbox{};
  StorePosition position = 0;  ///< a view at or past this shows the account's folders
  MailboxPolicy policy;
  std::uint32_t retry_after_s = 0;  ///< too_soon: when to come again
  bool delay_began = false;         ///< the account's LOGIN-DELAY runs from now on
  friend bool operator==(const AuthenticateReply&, const AuthenticateReply&) = default;
};

struct PositionReply {
  StorePosition position = 0;
  friend bool operator==(const PositionReply&, const PositionReply&) = default;
};

struct Done {
  friend bool operator==(const Done&, const Done&) = default;
};

struct DomainListReply {
  std::vector<std::string> domains;
  bool more = false;  ///< there are names behind the last one
  friend bool operator==(const DomainListReply&, const DomainListReply&) = default;
};

/// The shortest times that mail stays for any account.
struct StrictestPolicyReply {
  MailboxPolicy policy;
  bool differs_by_user = false;
  friend bool operator==(const StrictestPolicyReply&, const StrictestPolicyReply&) = default;
};

/// An account as the administrator sees it.
struct UserEntry {
  AccountId id{};
  std::string name;
  MailboxId inbox{};
  bool has_password = false;
  std::vector<std::string> aliases;
  std::vector<std::string> send_as;  ///< what it may send as besides
  AccountSettings settings;
  std::uint64_t used_octets = 0;   ///< what its mailbox holds now
  std::uint64_t quota_octets = 0;  ///< what it may hold, the server's default resolved; 0: no limit
  friend bool operator==(const UserEntry&, const UserEntry&) = default;
};

struct UserListReply {
  std::vector<UserEntry> users;
  bool more = false;
  friend bool operator==(const UserListReply&, const UserListReply&) = default;
};

/// One message waiting to be relayed.
struct QueueEntry {
  std::string id;  ///< the message's public id
  BodyId body{};
  std::string reverse_path;
  std::vector<std::string>
      recipients;  ///< those not delivered yet; at most kQueueRecipientsMax are listed
  std::uint32_t recipient_count = 0;  ///< all of those
  std::uint64_t size_octets = 0;
  std::int64_t arrival_unix_ms = 0;
  std::int64_t next_attempt_unix_ms = 0;
  std::uint32_t attempts = 0;
  std::string last_error;  ///< what the last next hop said; empty before the first attempt
  friend bool operator==(const QueueEntry&, const QueueEntry&) = default;
};

struct QueueListReply {
  std::vector<QueueEntry> entries;
  std::uint64_t total = 0;  ///< messages in the queue
  friend bool operator==(const QueueListReply&, const QueueListReply&) = default;
};

using ReplyBody =
    std::variant<HelloReply, AuthenticateReply, MutationReply, PositionReply, Done, DomainListReply,
                 UserListReply, QueueListReply, StrictestPolicyReply>;

// --- what travels
// -----------------------------------------------------------------------------------

struct Request {
  std::uint64_t id = 0;  ///< 1 .. ; 0 only for ViewPosition
  RequestBody body;
};

/// An answer. Id 0 with an error: the service gives the connection up, and this is why.
struct Reply {
  std::uint64_t id = 0;
  Result<ReplyBody> body;
};

/// A subscribed mailbox has changed. Several changes may come as one; the numbers are the latest.
struct Changed {
  MailboxId mailbox{};
  ModSeq modseq = 0;
  StorePosition position = 0;  ///< a view at or past this shows the change
  friend bool operator==(const Changed&, const Changed&) = default;
};

using Message = std::variant<Request, Reply, Changed>;

}  // namespace postern::store::rpc

// What a POP3 or IMAP session asks of the mail store, and what comes back. Plain values: a session
// is sans-IO and knows neither RPC nor RocksDB. A session has at most one request outstanding;
// until its reply arrives it consumes no input.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/result.hpp"
#include "store/account_settings.hpp"
#include "store/mailbox_snapshot.hpp"
#include "store/mutation.hpp"
#include "store/types.hpp"

namespace postern::sidecars {

/// Check a user name and password. Reply: LoginReply.
struct LoginRequest {
  std::string user;
  std::string password;
};

/// The folders of an account. Reply: FoldersReply.
struct FoldersRequest {
  store::AccountId account{};
};

/// A current snapshot of a mailbox; also how a selected mailbox is refreshed. Reply: SnapshotReply.
struct SnapshotRequest {
  store::MailboxId mailbox{};
};

/// Heads only (STATUS), for one mailbox. Reply: HeadReply.
struct HeadRequest {
  store::MailboxId mailbox{};
};

/// Octet ranges of bodies, read in one go. The session bounds the sum of lengths
/// (kReadBatchOctets). Reply: BodiesReply with as many results, in order.
struct BodiesRequest {
  struct Range {
    store::BodyId body{};
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  ///< may reach past the end: the reply is then shorter
  };
  std::vector<Range> ranges;
};

/// A change. Reply: MutationDone; by then this process's view shows the change.
struct MutateRequest {
  store::MutationBody body;
};

/// The shortest times that mail stays for any account: for who has not logged in. Reply:
/// PolicyReply.
struct PolicyRequest {};

using MailRequest = std::variant<LoginRequest, FoldersRequest, SnapshotRequest, HeadRequest,
                                 BodiesRequest, MutateRequest, PolicyRequest>;

/// Outcome of a login. A wrong password and an unknown user cannot be told apart.
struct LoginReply {
  enum class Outcome : std::uint8_t {
    ok,
    bad_credentials,
    unavailable,
    too_soon,  ///< right, but a moment after the last login; the gateway says so to POP3 alone
  };
  Outcome outcome = Outcome::unavailable;
  store::AccountId account{};
  std::string name;  ///< canonical account name
  store::MailboxId inbox{};
  store::MailboxPolicy policy;      ///< what holds for this account
  std::uint32_t retry_after_s = 0;  ///< too_soon: when to come again
};
struct FoldersReply {
  Result<std::vector<store::Folder>> folders;
};
struct SnapshotReply {
  Result<store::MailboxSnapshotPtr> snapshot;
};
struct HeadReply {
  Result<store::MailboxHead> head;
};
/// One result a range. not_found: the body was removed meanwhile.
struct BodiesReply {
  std::vector<Result<std::string>> parts;
};
struct MutationDone {
  Result<store::MutationReply> reply;
};
struct PolicyReply {
  struct Policy {
    store::MailboxPolicy strictest;
    bool differs_by_user = false;
  };
  Result<Policy> policy;
};

using MailReply = std::variant<LoginReply, FoldersReply, SnapshotReply, HeadReply, BodiesReply,
                               MutationDone, PolicyReply>;

/// Most octets a session asks for in one BodiesRequest. It bounds what one slow reader holds in
/// memory: this in flight and this in its output buffer. Large enough that 60 mails of 4 KiB are
/// one trip.
inline constexpr std::uint64_t kReadBatchOctets = 256 * 1024;

}  // namespace postern::sidecars

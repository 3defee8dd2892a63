// Changes of the embedded directory. Applied on the committer's row thread, one after the other,
// durable before they are answered.
//
// Names and addresses are brought to their canonical form (store/address.hpp) by the store. An
// address is "local@domain", both parts non-empty, at most kAddressOctetsMax, without control
// characters or spaces.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "store/account_settings.hpp"
#include "store/quota_note.hpp"
#include "store/types.hpp"

namespace postern::store {

/// RFC 5321 4.5.3.1.3: a path is at most 256 octets, brackets included.
inline constexpr std::size_t kAddressOctetsMax = 254;
/// RFC 1035 2.3.4 (as text, without the final dot).
inline constexpr std::size_t kDomainOctetsMax = 253;
/// Aliases one account may carry. They live in its directory record, which is rewritten when it
/// changes: this keeps the record below 256 KiB.
inline constexpr std::size_t kAliasesPerAccountMax = 1000;
/// Addresses one account may send as besides its own; for the same reason.
inline constexpr std::size_t kSendAsPerAccountMax = 1000;

/// already_exists when the domain is ours already.
struct AddDomain {
  std::string domain;
};
/// not_found; permission_denied while an account or alias is in it.
struct DeleteDomain {
  std::string domain;
};
/// Creates an account with an empty INBOX. not_found: the domain is not ours. already_exists: the
/// address is an account or alias.
struct AddUser {
  std::string name;           ///< login name and primary address
  std::string password_hash;  ///< as hash_password() gives it; empty: no password login
};
/// Removes an account, its aliases and its mail. not_found.
struct DeleteUser {
  std::string name;
};
/// not_found.
struct SetPasswordHash {
  std::string name;
  std::string password_hash;  ///< empty: no password login
};
/// Changes an account's settings. not_found; invalid_argument: a value beyond its bound.
struct ChangeSettings {
  std::string name;
  AccountSettingsChange change;
};
/// A further address of an account. not_found: account or domain. already_exists. exhausted.
struct AddAlias {
  std::string name;   ///< the account
  std::string alias;  ///< the address
};
/// not_found.
struct RemoveAlias {
  std::string alias;
};

/// Lets an account send as another address, or no longer. The address may be anybody's, also
/// outside our domains; "@domain" is every address of a domain. Granting twice is granting once.
/// not_found: account, or (taking away) no such grant. exhausted.
struct SetSendAs {
  std::string name;     ///< the account
  std::string address;  ///< "local@domain" or "@domain"
  bool granted = true;
};

/// Changes what is remembered of what a mailbox's owner was told about its quota; level none:
/// nothing. not_found: the mailbox is gone.
struct KeepQuotaNote {
  MailboxId mailbox{};
  QuotaNote note;
};

using DirectoryChange =
    std::variant<AddDomain, DeleteDomain, AddUser, DeleteUser, SetPasswordHash, AddAlias,
                 RemoveAlias, SetSendAs, ChangeSettings, KeepQuotaNote>;

/// What a directory change did.
struct DirectoryReply {
  StorePosition position = 0;  ///< a view at or past this shows its rows
  AccountId account{};         ///< the account concerned; 0 for domains
  MailboxId inbox{};           ///< its INBOX; 0 for domains
};

}  // namespace postern::store

// Who lives here: domains, accounts, aliases. An immutable picture in memory, so that RCPT TO is
// answered on the core thread without a lock or a disk read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/account_settings.hpp"
#include "store/types.hpp"

namespace postern::store {

/// One account of the embedded directory.
struct Account {
  AccountId id{};
  std::string name;  ///< login name and primary address, "user@domain", folded to lower case
  MailboxId inbox{};
  std::string password_hash;         ///< "scrypt$..."; empty: no password login
  std::vector<std::string> aliases;  ///< further addresses delivered to this account, folded
  /// What it may send as besides name and aliases, folded: addresses anywhere, or "@domain" for a
  /// whole domain (RFC 6409 6.1).
  std::vector<std::string> send_as;
  AccountSettings settings;  ///< where it differs from the server's defaults
};

/// What the directory says about a recipient address.
struct Route {
  enum class Kind : std::uint8_t {
    local,         ///< mailboxes holds the destinations
    unknown_user,  ///< the domain is ours, the user is not (550 5.1.1)
    remote,        ///< the domain is not ours: relayed, if the client may
  };
  Kind kind = Kind::remote;
  std::vector<MailboxId> mailboxes;
};

/// An immutable picture of the directory. Thread-safe; share by shared_ptr<const>.
class Directory {
 public:
  virtual ~Directory() = default;
  /// Looks an address up. `domain` and `local_part` unquoted, any case; case is folded here.
  /// An empty domain with local part "postmaster" is RFC 5321 4.5.1's bare postmaster: the account
  /// that is or carries the alias postmaster@ of any local domain, else unknown_user.
  virtual Route route(std::string_view local_part, std::string_view domain) const = 0;
  virtual bool is_local_domain(std::string_view domain) const = 0;
  /// The account that logs in as `name` (any case); nullptr if none. Valid as long as this picture.
  virtual const Account* find_login(std::string_view name) const = 0;
  /// Whether the account `identity` (its name) may use the address as a sender: it is its name or
  /// an alias, or was granted (Account::send_as). Any case.
  virtual bool may_send_as(std::string_view identity, std::string_view local_part,
                           std::string_view domain) const = 0;
  /// All domains, sorted. For CLI and tests.
  virtual std::vector<std::string> domains() const = 0;
  /// All accounts, sorted by name.
  virtual std::vector<const Account*> accounts() const = 0;
  /// Calls `visit` for every account, in no order: cheaper than accounts().
  virtual void each_account(const std::function<void(const Account&)>& visit) const {
    for (const Account* account : accounts()) visit(*account);
  }
  /// The accounts' own settings, each different combination once; empty when every account follows
  /// the server's defaults. Without quotas: those are for each account to have.
  virtual std::vector<AccountSettings> settings_in_use() const { return {}; }
};

using DirectoryPtr = std::shared_ptr<const Directory>;

}  // namespace postern::store

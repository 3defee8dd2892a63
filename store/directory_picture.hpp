// The embedded directory in memory: Directory's implementation and how a new picture is made from
// the old.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/directory.hpp"

namespace postern::store {

/// Immutable. Addresses (names and aliases) are spread over shards by hash; successive pictures
/// share the shards that did not change, so adding one user among 100,000 copies one shard of some
/// 400 pointers.
class DirectoryPicture final : public Directory {
 public:
  DirectoryPicture();

  Route route(std::string_view local_part, std::string_view domain) const override;
  bool is_local_domain(std::string_view domain) const override;
  const Account* find_login(std::string_view name) const override;
  bool may_send_as(std::string_view identity, std::string_view local_part,
                   std::string_view domain) const override;
  std::vector<std::string> domains() const override;
  std::vector<const Account*> accounts() const override;
  void each_account(const std::function<void(const Account&)>& visit) const override;
  std::vector<AccountSettings> settings_in_use() const override;

 private:
  friend class DirectoryEditor;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Entry {
    std::shared_ptr<const Account> account;
    bool is_name = false;  ///< the account's own name, not an alias
  };
  /// About the square root of 100,000: copying the shard list and copying one shard then cost the
  /// same.
  static constexpr std::size_t kShards = 256;
  using Shard = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;
  using Names = std::set<std::string, std::less<>>;
  using Settings = std::vector<std::pair<AccountSettings, std::size_t>>;

  static std::size_t shard_of(std::string_view address) noexcept;
  const Entry* find(std::string_view address) const;

  std::array<std::shared_ptr<const Shard>, kShards> shards_;
  std::shared_ptr<const Names> domains_;
  std::shared_ptr<const Names> postmasters_;  // addresses whose local part is postmaster
  /// Settings other than the defaults and how many accounts have them. An administrator has a
  /// handful of policies, whatever the number of accounts.
  std::shared_ptr<const Settings> settings_;
};

/// Makes the next picture. Copies what it changes, once. One thread.
class DirectoryEditor {
 public:
  /// Starts from `base`, which stays as it is.
  explicit DirectoryEditor(std::shared_ptr<const DirectoryPicture> base);

  bool has_domain(std::string_view domain) const;
  /// Whether an account or alias is in the domain. Looks at every address: for rare use.
  bool domain_in_use(std::string_view domain) const;
  /// The account that this address belongs to as a name or alias; nullptr if none.
  std::shared_ptr<const Account> find_address(std::string_view address) const;
  /// The account of this name.
  std::shared_ptr<const Account> find_name(std::string_view name) const;

  void add_domain(std::string domain);
  void remove_domain(std::string_view domain);
  /// Adds the account, or replaces the one with the same name, with all its addresses.
  void put_account(Account account);
  void remove_account(std::string_view name);

  bool changed() const noexcept { return changed_; }
  /// The new picture. The editor is empty after.
  std::shared_ptr<const DirectoryPicture> build();

 private:
  using Shard = DirectoryPicture::Shard;
  using Names = DirectoryPicture::Names;

  Shard& own_shard(std::string_view address);
  Names& own_postmasters();
  void count_settings(AccountSettings settings, bool added);
  void put_address(const std::string& address, DirectoryPicture::Entry entry);
  void remove_address(const std::string& address);

  std::shared_ptr<DirectoryPicture> next_;
  // Parts of next_ that belong to it alone; null: shared with the base.
  std::array<std::shared_ptr<Shard>, DirectoryPicture::kShards> own_shards_;
  std::shared_ptr<Names> own_domains_;
  std::shared_ptr<Names> own_postmasters_;
  bool changed_ = false;
};

}  // namespace postern::store

#include "store/directory_picture.hpp"

#include <algorithm>
#include <utility>

#include "runtime/assert.hpp"
#include "store/address.hpp"

namespace postern::store {

namespace {

constexpr std::string_view kPostmaster = "postmaster";

/// "local@domain" in the form that is compared.
std::string join_address(std::string_view local_part, std::string_view domain) {
  std::string address = canonical_local_part(local_part);
  address += '@';
  address += canonical_domain(domain);
  return address;
}

bool is_postmaster(std::string_view address) {
  return address.starts_with(kPostmaster) && address.substr(kPostmaster.size()).starts_with('@');
}

}  // namespace

DirectoryPicture::DirectoryPicture()
    : domains_(std::make_shared<const Names>()),
      postmasters_(std::make_shared<const Names>()),
      settings_(std::make_shared<const Settings>()) {
  const auto empty = std::make_shared<const Shard>();
  shards_.fill(empty);
}

std::size_t DirectoryPicture::shard_of(std::string_view address) noexcept {
  // The high half: the low bits already choose the bucket within the shard.
  return (Hash{}(address) >> 32) % kShards;
}

const DirectoryPicture::Entry* DirectoryPicture::find(std::string_view address) const {
  const Shard& shard = *shards_[shard_of(address)];
  const auto found = shard.find(address);
  return found == shard.end() ? nullptr : &found->second;
}

Route DirectoryPicture::route(std::string_view local_part, std::string_view domain) const {
  const Entry* entry = nullptr;
  if (domain.empty()) {
    // RFC 5321 4.5.1: postmaster without a domain. Any other bare local part is nobody's.
    if (fold_case(local_part) == kPostmaster && !postmasters_->empty()) {
      entry = find(*postmasters_->begin());
    }
  } else {
    if (!is_local_domain(domain)) return Route{.kind = Route::Kind::remote};
    entry = find(join_address(local_part, domain));
  }
  if (entry == nullptr) return Route{.kind = Route::Kind::unknown_user};
  return Route{.kind = Route::Kind::local, .mailboxes = {entry->account->inbox}};
}

bool DirectoryPicture::is_local_domain(std::string_view domain) const {
  return domains_->contains(canonical_domain(domain));
}

const Account* DirectoryPicture::find_login(std::string_view name) const {
  const Entry* entry = find(canonical_address(name));
  return entry != nullptr && entry->is_name ? entry->account.get() : nullptr;
}

bool DirectoryPicture::may_send_as(std::string_view identity, std::string_view local_part,
                                   std::string_view domain) const {
  const Account* const account = find_login(identity);
  if (account == nullptr) return false;
  const std::string address = join_address(local_part, domain);
  if (const Entry* entry = find(address); entry != nullptr && entry->account.get() == account) {
    return true;
  }
  const auto covers = [&](std::string_view granted) {
    return granted == address ||
           (granted.starts_with('@') && std::string_view(address).ends_with(granted));
  };
  return std::ranges::any_of(account->send_as, covers);
}

std::vector<std::string> DirectoryPicture::domains() const {
  return {domains_->begin(), domains_->end()};
}

void DirectoryPicture::each_account(const std::function<void(const Account&)>& visit) const {
  for (const auto& shard : shards_) {
    for (const auto& [address, entry] : *shard) {
      if (entry.is_name) visit(*entry.account);
    }
  }
}

std::vector<const Account*> DirectoryPicture::accounts() const {
  std::vector<const Account*> all;
  each_account([&all](const Account& account) { all.push_back(&account); });
  std::ranges::sort(all, {},
                    [](const Account* account) -> std::string_view { return account->name; });
  return all;
}

std::vector<AccountSettings> DirectoryPicture::settings_in_use() const {
  std::vector<AccountSettings> all;
  for (const auto& [settings, accounts] : *settings_) all.push_back(settings);
  return all;
}

DirectoryEditor::DirectoryEditor(std::shared_ptr<const DirectoryPicture> base)
    : next_(std::make_shared<DirectoryPicture>(*base)) {}

bool DirectoryEditor::has_domain(std::string_view domain) const {
  return next_->domains_->contains(domain);
}

bool DirectoryEditor::domain_in_use(std::string_view domain) const {
  for (const auto& shard : next_->shards_) {
    for (const auto& [address, entry] : *shard) {
      if (std::string_view(address).substr(address.rfind('@') + 1) == domain) return true;
    }
  }
  return false;
}

std::shared_ptr<const Account> DirectoryEditor::find_address(std::string_view address) const {
  const auto* entry = next_->find(address);
  return entry == nullptr ? nullptr : entry->account;
}

std::shared_ptr<const Account> DirectoryEditor::find_name(std::string_view name) const {
  const auto* entry = next_->find(name);
  return entry == nullptr || !entry->is_name ? nullptr : entry->account;
}

void DirectoryEditor::add_domain(std::string domain) {
  if (own_domains_ == nullptr) own_domains_ = std::make_shared<Names>(*next_->domains_);
  own_domains_->insert(std::move(domain));
  next_->domains_ = own_domains_;
  changed_ = true;
}

void DirectoryEditor::remove_domain(std::string_view domain) {
  if (own_domains_ == nullptr) own_domains_ = std::make_shared<Names>(*next_->domains_);
  own_domains_->erase(own_domains_->find(domain));
  next_->domains_ = own_domains_;
  changed_ = true;
}

void DirectoryEditor::put_account(Account account) {
  if (find_name(account.name) != nullptr) remove_account(account.name);
  const auto shared = std::make_shared<const Account>(std::move(account));
  put_address(shared->name, {.account = shared, .is_name = true});
  count_settings(shared->settings, true);
  for (const std::string& alias : shared->aliases) put_address(alias, {.account = shared});
  changed_ = true;
}

void DirectoryEditor::remove_account(std::string_view name) {
  const auto account = find_name(name);
  POSTERN_ASSERT(account != nullptr);
  remove_address(account->name);
  for (const std::string& alias : account->aliases) remove_address(alias);
  count_settings(account->settings, false);
  changed_ = true;
}

void DirectoryEditor::count_settings(AccountSettings settings, bool added) {
  // There may be as many quotas as accounts, and nobody asks which there are.
  settings.quota_octets.reset();
  if (settings.empty()) return;
  auto counted = std::make_shared<DirectoryPicture::Settings>(*next_->settings_);
  auto found = std::ranges::find(*counted, settings, [](const auto& entry) { return entry.first; });
  if (found == counted->end()) found = counted->insert(found, {settings, 0});
  if (added)
    ++found->second;
  else if (--found->second == 0)
    counted->erase(found);
  next_->settings_ = std::move(counted);
}

DirectoryEditor::Shard& DirectoryEditor::own_shard(std::string_view address) {
  const std::size_t index = DirectoryPicture::shard_of(address);
  if (own_shards_[index] == nullptr) {
    own_shards_[index] = std::make_shared<Shard>(*next_->shards_[index]);
    next_->shards_[index] = own_shards_[index];
  }
  return *own_shards_[index];
}

DirectoryEditor::Names& DirectoryEditor::own_postmasters() {
  if (own_postmasters_ == nullptr) {
    own_postmasters_ = std::make_shared<Names>(*next_->postmasters_);
    next_->postmasters_ = own_postmasters_;
  }
  return *own_postmasters_;
}

void DirectoryEditor::put_address(const std::string& address, DirectoryPicture::Entry entry) {
  own_shard(address)[address] = std::move(entry);
  if (is_postmaster(address)) own_postmasters().insert(address);
}

void DirectoryEditor::remove_address(const std::string& address) {
  own_shard(address).erase(address);
  if (is_postmaster(address)) own_postmasters().erase(address);
}

std::shared_ptr<const DirectoryPicture> DirectoryEditor::build() {
  own_shards_.fill(nullptr);
  own_domains_ = nullptr;
  own_postmasters_ = nullptr;
  return std::exchange(next_, nullptr);
}

}  // namespace postern::store

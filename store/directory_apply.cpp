#include "store/directory_apply.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <utility>
#include <variant>

#include "store/address.hpp"

namespace postern::store {

namespace {

bool is_plain(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

Result<std::string> valid_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > kDomainOctetsMax || !is_plain(domain) ||
      domain.find('@') != std::string_view::npos || domain.starts_with('.') ||
      domain.ends_with('.')) {
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' is not a domain name", domain));
  }
  std::string canonical = canonical_domain(domain);
  if (canonical.size() > kDomainOctetsMax) {
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' is too long", domain));
  }
  return canonical;
}

/// The address, folded. Its domain is what stands behind the last '@'.
Result<std::string> valid_address(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || address.size() > kAddressOctetsMax ||
      !is_plain(address) || !valid_domain(address.substr(at + 1))) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is not an address of the form user@domain", address));
  }
  return canonical_address(address);
}

std::string_view domain_of(std::string_view address) {
  return address.substr(address.rfind('@') + 1);
}

std::unexpected<Error> no_account(std::string_view name) {
  return fail(ErrorCode::not_found, fmt::format("there is no account '{}'", name));
}

/// A new address must be in a domain of ours and belong to nobody.
Result<void> check_free(const DirectoryEditor& editor, std::string_view address) {
  if (!editor.has_domain(domain_of(address))) {
    return fail(ErrorCode::not_found,
                fmt::format("'{}' is not a domain of ours", domain_of(address)));
  }
  if (const auto owner = editor.find_address(address)) {
    return fail(ErrorCode::already_exists,
                fmt::format("'{}' exists already (account '{}')", address, owner->name));
  }
  return {};
}

void put_account(DirectoryStaging& staging, Account account) {
  staging.batch.put(staging.database.directory(), schema::account_key(account.id),
                    schema::encode_account(account));
  staging.batch.set_quota(account.inbox, account.settings.quota_octets);
  staging.editor.put_account(std::move(account));
}

void put_counters(DirectoryStaging& staging) {
  staging.batch.put(staging.database.meta(), schema::kCountersKey,
                    schema::encode_counters(staging.counters));
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const AddDomain& change) {
  auto domain = valid_domain(change.domain);
  if (!domain) return std::unexpected(domain.error());
  if (staging.editor.has_domain(*domain)) {
    return fail(ErrorCode::already_exists,
                fmt::format("'{}' is a domain of ours already", *domain));
  }
  staging.batch.put(staging.database.directory(), schema::domain_key(*domain), "\x01");
  staging.editor.add_domain(*domain);
  return DirectoryReply{};
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const DeleteDomain& change) {
  const std::string domain = canonical_domain(change.domain);
  if (!staging.editor.has_domain(domain)) {
    return fail(ErrorCode::not_found, fmt::format("'{}' is not a domain of ours", domain));
  }
  if (staging.editor.domain_in_use(domain)) {
    return fail(ErrorCode::permission_denied,
                fmt::format("'{}' still has accounts or aliases: delete them first", domain));
  }
  staging.batch.remove(staging.database.directory(), schema::domain_key(domain));
  staging.editor.remove_domain(domain);
  return DirectoryReply{};
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const AddUser& change) {
  auto name = valid_address(change.name);
  if (!name) return std::unexpected(name.error());
  if (auto is_free = check_free(staging.editor, *name); !is_free) {
    return std::unexpected(is_free.error());
  }
  schema::Counters& counters = staging.counters;
  const AccountId account{counters.account++};
  const MailboxId inbox{counters.mailbox++};
  // RFC 3501 2.3.1.1: a mailbox that is deleted and made again gets a larger UIDVALIDITY; the time
  // of creation does that, and the counter when two fall into one second.
  const auto seconds = static_cast<std::uint32_t>(staging.now_unix_ms / 1000);
  const std::uint32_t uid_validity = std::max(counters.uid_validity, seconds);
  counters.uid_validity = uid_validity + 1;
  staging.batch.create_mailbox(
      MailboxHead{.id = inbox, .uid_validity = uid_validity, .highest_modseq = 1});
  staging.batch.put(staging.database.rows(),
                    schema::folder_key(account, inbox, counters.folder_version++),
                    schema::encode_folder_row({.name = "INBOX"}));
  put_counters(staging);
  put_account(staging, Account{.id = account,
                               .name = std::move(*name),
                               .inbox = inbox,
                               .password_hash = change.password_hash});
  return DirectoryReply{.account = account, .inbox = inbox};
}

/// The folders an account has now, from its rows on disk.
Result<std::vector<std::pair<MailboxId, schema::FolderRow>>> read_folders(RowBatch& batch,
                                                                          AccountId account) {
  std::vector<std::pair<MailboxId, schema::FolderRow>> folders;
  const schema::OwnerPrefix prefix = schema::folder_prefix(account);
  rocksdb::Iterator& it = batch.rows();
  std::optional<MailboxId> last;
  for (it.Seek(to_slice(prefix)); it.Valid() && to_view(it.key()).starts_with(prefix.view());
       it.Next()) {
    const auto key = schema::parse_folder_key(to_view(it.key()));
    if (!key) return std::unexpected(key.error());
    if (last == key->mailbox) continue;  // an older version
    last = key->mailbox;
    auto row = schema::decode_folder_row(to_view(it.value()));
    if (!row) return std::unexpected(row.error());
    if (!row->deleted) folders.emplace_back(key->mailbox, std::move(*row));
  }
  if (!it.status().ok()) return std::unexpected(to_error(it.status(), "reading a folder list"));
  return folders;
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const DeleteUser& change) {
  const auto account = staging.editor.find_name(canonical_address(change.name));
  if (account == nullptr) return no_account(change.name);
  auto folders = read_folders(staging.batch, account->id);
  if (!folders) return std::unexpected(folders.error());
  std::vector<CachedMailbox*> mailboxes;
  for (const auto& [id, row] : *folders) {
    auto mailbox = staging.batch.mailbox(id);
    if (!mailbox) return std::unexpected(mailbox.error());
    mailboxes.push_back(*mailbox);
  }
  for (std::size_t i = 0; i < mailboxes.size(); ++i) {
    auto& [id, row] = (*folders)[i];
    row.deleted = true;
    staging.batch.put(staging.database.rows(),
                      schema::folder_key(account->id, id, staging.counters.folder_version++),
                      schema::encode_folder_row(row));
    mailboxes[i]->head.deleted = true;
    ++mailboxes[i]->head.highest_modseq;
    staging.batch.touch(*mailboxes[i]);
    // Its messages go in small steps from now on: a mailbox of 100,000 must not hold up everybody's
    // mail.
    staging.batch.put(staging.database.meta(), schema::doomed_mailbox_key(id), {});
    staging.batch.remove(staging.database.meta(), schema::quota_note_key(id));
    staging.removed_mailboxes.push_back(id);
  }
  put_counters(staging);
  staging.batch.remove(staging.database.directory(), schema::account_key(account->id));
  staging.editor.remove_account(account->name);
  return DirectoryReply{.account = account->id, .inbox = account->inbox};
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const SetPasswordHash& change) {
  const auto account = staging.editor.find_name(canonical_address(change.name));
  if (account == nullptr) return no_account(change.name);
  Account changed = *account;
  changed.password_hash = change.password_hash;
  put_account(staging, std::move(changed));
  return DirectoryReply{.account = account->id, .inbox = account->inbox};
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const ChangeSettings& change) {
  const auto account = staging.editor.find_name(canonical_address(change.name));
  if (account == nullptr) return no_account(change.name);
  const AccountSettingsChange& wanted = change.change;
  if (wanted.keep_action == SettingAction::set &&
      (wanted.keep.count() < 0 || wanted.keep > kKeepMax)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("mail can be kept for {} days at most, or for ever",
                            std::chrono::floor<std::chrono::days>(kKeepMax).count()));
  }
  if (wanted.quota_action == SettingAction::set && !valid_quota(wanted.quota_octets)) {
    return fail(ErrorCode::invalid_argument, fmt::format("a quota is {} to {} octets, or none",
                                                         kQuotaOctetsMin, kQuotaOctetsMax));
  }
  Account changed = *account;
  changed.settings = wanted.apply_to(changed.settings);
  put_account(staging, std::move(changed));
  return DirectoryReply{.account = account->id, .inbox = account->inbox};
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const AddAlias& change) {
  const auto account = staging.editor.find_name(canonical_address(change.name));
  if (account == nullptr) return no_account(change.name);
  auto alias = valid_address(change.alias);
  if (!alias) return std::unexpected(alias.error());
  if (auto is_free = check_free(staging.editor, *alias); !is_free) {
    return std::unexpected(is_free.error());
  }
  if (account->aliases.size() >= kAliasesPerAccountMax) {
    return fail(ErrorCode::exhausted,
                fmt::format("'{}' has {} aliases already", account->name, kAliasesPerAccountMax));
  }
  Account changed = *account;
  changed.aliases.push_back(std::move(*alias));
  put_account(staging, std::move(changed));
  return DirectoryReply{.account = account->id, .inbox = account->inbox};
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const RemoveAlias& change) {
  const std::string alias = canonical_address(change.alias);
  const auto account = staging.editor.find_address(alias);
  if (account == nullptr || account->name == alias) {
    return fail(ErrorCode::not_found, fmt::format("there is no alias '{}'", change.alias));
  }
  Account changed = *account;
  std::erase(changed.aliases, alias);
  put_account(staging, std::move(changed));
  return DirectoryReply{.account = account->id, .inbox = account->inbox};
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const SetSendAs& change) {
  const auto account = staging.editor.find_name(canonical_address(change.name));
  if (account == nullptr) return no_account(change.name);
  // A whole domain is written "@domain": the same rules with a local part in front.
  const bool whole_domain = change.address.starts_with('@');
  auto address = valid_address(whole_domain ? "x" + change.address : change.address);
  if (!address) return std::unexpected(address.error());
  if (whole_domain) address->erase(0, 1);
  const bool has = std::ranges::find(account->send_as, *address) != account->send_as.end();
  const DirectoryReply done{.account = account->id, .inbox = account->inbox};
  if (has && change.granted) return done;
  if (!has && !change.granted) {
    return fail(ErrorCode::not_found,
                fmt::format("'{}' has no grant to send as '{}'", account->name, *address));
  }
  if (change.granted && account->send_as.size() >= kSendAsPerAccountMax) {
    return fail(ErrorCode::exhausted, fmt::format("'{}' may send as {} addresses already",
                                                  account->name, kSendAsPerAccountMax));
  }
  Account changed = *account;
  if (change.granted) {
    changed.send_as.push_back(std::move(*address));
  } else {
    std::erase(changed.send_as, *address);
  }
  put_account(staging, std::move(changed));
  return done;
}

Result<DirectoryReply> stage(DirectoryStaging& staging, const KeepQuotaNote& change) {
  if (auto mailbox = staging.batch.mailbox(change.mailbox); !mailbox) {
    return std::unexpected(mailbox.error());
  }
  const schema::QuotaNoteKey key = schema::quota_note_key(change.mailbox);
  if (change.note.level == QuotaLevel::none) {
    staging.batch.remove(staging.database.meta(), key);
  } else {
    staging.batch.put(staging.database.meta(), key, schema::encode_quota_note(change.note));
  }
  return DirectoryReply{.inbox = change.mailbox};
}

}  // namespace

Result<DirectoryReply> stage_directory_change(DirectoryStaging& staging,
                                              const DirectoryChange& change) {
  return std::visit([&](const auto& one) { return stage(staging, one); }, change);
}

Result<std::shared_ptr<const DirectoryPicture>> load_directory(Database& database) {
  DirectoryEditor editor(std::make_shared<const DirectoryPicture>());
  const std::unique_ptr<rocksdb::Iterator> it(
      database.mail().NewIterator(rocksdb::ReadOptions(), database.directory()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = to_view(it->key());
    if (key.starts_with(schema::kDomainPrefix)) {
      editor.add_domain(std::string(key.substr(schema::kDomainPrefix.size())));
      continue;
    }
    const auto id = schema::parse_account_key(key);
    if (!id) return std::unexpected(id.error());
    auto account = schema::decode_account(*id, to_view(it->value()));
    if (!account) return std::unexpected(account.error());
    editor.put_account(std::move(*account));
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading the directory"));
  return editor.build();
}

}  // namespace postern::store

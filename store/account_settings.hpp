// What an administrator may set for one account, over the server's defaults ([mailbox], [pop3]).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace postern::store {

/// Longest time that a setting may name: a hundred years. Far beyond any policy, far below overflow
/// when milliseconds are made of it.
inline constexpr std::chrono::seconds kKeepMax{std::chrono::days{36'500}};
/// Smallest quota: what is below it is a size whose unit was forgotten, and would hold no mail.
inline constexpr std::uint64_t kQuotaOctetsMin = 1024;
/// Largest quota, a PiB: beyond any disk, and a hundred times it is far below overflow.
inline constexpr std::uint64_t kQuotaOctetsMax = 1ull << 50;

/// Whether this is a quota, or 0 for none.
constexpr bool valid_quota(std::uint64_t octets) noexcept {
  return octets == 0 || (octets >= kQuotaOctetsMin && octets <= kQuotaOctetsMax);
}

/// Unset members follow the server's defaults.
struct AccountSettings {
  /// Messages older than this are deleted (POP-20); zero: kept for ever.
  std::optional<std::chrono::seconds> keep;
  /// POP3: what RETR sent whole is deleted when the session ends with QUIT.
  std::optional<bool> delete_after_retrieval;
  /// What the mailbox may hold (POP-19); zero: no limit.
  std::optional<std::uint64_t> quota_octets;

  bool empty() const noexcept { return !keep && !delete_after_retrieval && !quota_octets; }
  friend bool operator==(const AccountSettings&, const AccountSettings&) = default;
};

/// What a change does to one setting.
enum class SettingAction : std::uint8_t {
  leave,
  reset,  ///< to the server's default
  set,
};

/// A change of AccountSettings. A value counts where its action is `set`.
struct AccountSettingsChange {
  SettingAction keep_action = SettingAction::leave;
  std::chrono::seconds keep{};
  SettingAction delete_after_retrieval_action = SettingAction::leave;
  bool delete_after_retrieval = false;
  SettingAction quota_action = SettingAction::leave;
  std::uint64_t quota_octets = 0;
  friend bool operator==(const AccountSettingsChange&, const AccountSettingsChange&) = default;

  /// `settings` with this change.
  AccountSettings apply_to(AccountSettings settings) const {
    if (keep_action != SettingAction::leave) settings.keep.reset();
    if (keep_action == SettingAction::set) settings.keep = keep;
    if (delete_after_retrieval_action != SettingAction::leave)
      settings.delete_after_retrieval.reset();
    if (delete_after_retrieval_action == SettingAction::set)
      settings.delete_after_retrieval = delete_after_retrieval;
    if (quota_action != SettingAction::leave) settings.quota_octets.reset();
    if (quota_action == SettingAction::set) settings.quota_octets = quota_octets;
    return settings;
  }
};

/// What holds for one account, defaults resolved.
struct MailboxPolicy {
  std::chrono::seconds keep{};  ///< zero: for ever
  bool delete_after_retrieval = false;
  std::uint64_t quota_octets = 0;  ///< zero: no limit
  friend bool operator==(const MailboxPolicy&, const MailboxPolicy&) = default;

  /// The policy of an account with these settings on a server with these defaults.
  static MailboxPolicy of(const AccountSettings& settings, const MailboxPolicy& defaults) {
    return {.keep = settings.keep.value_or(defaults.keep),
            .delete_after_retrieval =
                settings.delete_after_retrieval.value_or(defaults.delete_after_retrieval),
            .quota_octets = settings.quota_octets.value_or(defaults.quota_octets)};
  }
  /// The policy that leaves messages the shortest time, and the least room, of both.
  static MailboxPolicy stricter_of(const MailboxPolicy& a, const MailboxPolicy& b) {
    const bool a_is_shorter = a.keep.count() != 0 && (b.keep.count() == 0 || a.keep < b.keep);
    const bool a_is_smaller =
        a.quota_octets != 0 && (b.quota_octets == 0 || a.quota_octets < b.quota_octets);
    return {.keep = a_is_shorter ? a.keep : b.keep,
            .delete_after_retrieval = a.delete_after_retrieval || b.delete_after_retrieval,
            .quota_octets = a_is_smaller ? a.quota_octets : b.quota_octets};
  }
};

}  // namespace postern::store

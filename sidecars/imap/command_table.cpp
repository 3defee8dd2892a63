#include "sidecars/imap/command_table.hpp"

#include <algorithm>
#include <array>

namespace postern::imap {
namespace {

constexpr std::uint8_t kLoggedIn = kAuthenticated | kSelected;
constexpr std::uint8_t kSequences = kKeepsSequenceNumbers;

/// Sorted by name.
constexpr std::array kTable = std::to_array<CommandSpec>({
    {"APPEND", kLoggedIn, kRefusesLiterals, parse_append},
    {"AUTHENTICATE", kNotAuthenticated, kSendsPassword, parse_authenticate},
    {"CAPABILITY", kAnyState, kBeforeTls, parse_capability},
    {"CHECK", kSelected, kRefreshes, parse_noop},
    {"CLOSE", kSelected, 0, parse_close},
    {"COPY", kSelected, kSequences, parse_copy},
    {"CREATE", kLoggedIn, 0, parse_folder_name},
    {"DELETE", kLoggedIn, 0, parse_folder_name},
    {"ENABLE", kLoggedIn, 0, parse_enable},
    {"EXAMINE", kLoggedIn, 0, parse_examine},
    {"EXPUNGE", kSelected, 0, parse_expunge},
    {"FETCH", kSelected, kSequences, parse_fetch},
    {"ID", kAnyState, kBeforeTls, parse_id},
    {"IDLE", kLoggedIn, kRefreshes | kAnnouncesChanges, parse_idle},
    {"LIST", kLoggedIn, 0, parse_list},
    {"LOGIN", kNotAuthenticated, kSendsPassword, parse_login},
    {"LOGOUT", kAnyState, kBeforeTls, parse_logout},
    {"LSUB", kLoggedIn, 0, parse_lsub},
    {"MOVE", kSelected, kSequences, parse_copy},
    {"NAMESPACE", kLoggedIn, 0, parse_namespace},
    {"NOOP", kAnyState, kBeforeTls | kRefreshes, parse_noop},
    {"RENAME", kLoggedIn, 0, parse_rename},
    {"SEARCH", kSelected, kSequences, parse_search},
    {"SELECT", kLoggedIn, 0, parse_select},
    {"STARTTLS", kNotAuthenticated, kBeforeTls, parse_starttls},
    {"STATUS", kLoggedIn, 0, parse_status},
    {"STORE", kSelected, kSequences, parse_store},
    {"SUBSCRIBE", kLoggedIn, 0, parse_folder_name},
    {"UID COPY", kSelected, kUidForm, parse_copy},
    {"UID EXPUNGE", kSelected, kUidForm, parse_uid_expunge},
    {"UID FETCH", kSelected, kUidForm, parse_uid_fetch},
    {"UID MOVE", kSelected, kUidForm, parse_copy},
    {"UID SEARCH", kSelected, kUidForm, parse_uid_search},
    {"UID STORE", kSelected, kUidForm, parse_uid_store},
    {"UNSELECT", kSelected, 0, parse_unselect},
    {"UNSUBSCRIBE", kLoggedIn, 0, parse_folder_name},
});

static_assert(std::ranges::is_sorted(kTable, {}, &CommandSpec::name));

}  // namespace

const CommandSpec* find_command(std::string_view name) noexcept {
  const auto found = std::ranges::lower_bound(kTable, name, {}, &CommandSpec::name);
  return found != kTable.end() && found->name == name ? &*found : nullptr;
}

std::span<const CommandSpec> all_commands() noexcept { return kTable; }

}  // namespace postern::imap

// All commands, one row each. To add one: write commands/<name>.cpp, declare its parse function
// here, add a row in command_table.cpp.
#pragma once

#include <span>
#include <string_view>

#include "sidecars/imap/command.hpp"

namespace postern::imap {

/// The row named `name` (capitals, "UID FETCH" for the UID forms); nullptr if there is none.
const CommandSpec* find_command(std::string_view name) noexcept;
std::span<const CommandSpec> all_commands() noexcept;

// The parse functions, each in the file of its command.
Result<CommandPtr> parse_authenticate(Context& context, Arguments& arguments);
Result<CommandPtr> parse_capability(Context& context, Arguments& arguments);
Result<CommandPtr> parse_close(Context& context, Arguments& arguments);
Result<CommandPtr> parse_enable(Context& context, Arguments& arguments);
Result<CommandPtr> parse_examine(Context& context, Arguments& arguments);
Result<CommandPtr> parse_expunge(Context& context, Arguments& arguments);
Result<CommandPtr> parse_fetch(Context& context, Arguments& arguments);
Result<CommandPtr> parse_id(Context& context, Arguments& arguments);
Result<CommandPtr> parse_idle(Context& context, Arguments& arguments);
Result<CommandPtr> parse_list(Context& context, Arguments& arguments);
Result<CommandPtr> parse_login(Context& context, Arguments& arguments);
Result<CommandPtr> parse_logout(Context& context, Arguments& arguments);
Result<CommandPtr> parse_lsub(Context& context, Arguments& arguments);
Result<CommandPtr> parse_namespace(Context& context, Arguments& arguments);
Result<CommandPtr> parse_noop(Context& context, Arguments& arguments);
Result<CommandPtr> parse_search(Context& context, Arguments& arguments);
Result<CommandPtr> parse_select(Context& context, Arguments& arguments);
Result<CommandPtr> parse_starttls(Context& context, Arguments& arguments);
Result<CommandPtr> parse_status(Context& context, Arguments& arguments);
Result<CommandPtr> parse_store(Context& context, Arguments& arguments);
Result<CommandPtr> parse_uid_expunge(Context& context, Arguments& arguments);
Result<CommandPtr> parse_uid_fetch(Context& context, Arguments& arguments);
Result<CommandPtr> parse_uid_search(Context& context, Arguments& arguments);
Result<CommandPtr> parse_uid_store(Context& context, Arguments& arguments);
Result<CommandPtr> parse_unselect(Context& context, Arguments& arguments);

// Commands that change folders: their arguments are checked, the answer is NO [CANNOT].
Result<CommandPtr> parse_folder_name(Context& context, Arguments& arguments);
Result<CommandPtr> parse_append(Context& context, Arguments& arguments);
Result<CommandPtr> parse_rename(Context& context, Arguments& arguments);
Result<CommandPtr> parse_copy(Context& context, Arguments& arguments);

}  // namespace postern::imap

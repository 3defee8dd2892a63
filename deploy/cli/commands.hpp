// The commands. Each function adds its subcommands to `app`; the one that the user chose sets
// `action`.
#pragma once

#include <CLI/CLI.hpp>

#include "deploy/cli/command.hpp"

namespace postern::cli {

void add_up_command(CLI::App& app, const Globals& globals, Action& action);
void add_user_commands(CLI::App& app, const Globals& globals, Action& action);
void add_domain_commands(CLI::App& app, const Globals& globals, Action& action);
void add_queue_commands(CLI::App& app, const Globals& globals, Action& action);
void add_config_commands(CLI::App& app, const Globals& globals, Action& action);

}  // namespace postern::cli

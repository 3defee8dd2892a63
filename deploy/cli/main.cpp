// postern: starts a gateway to try out, and administers a running one.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fmt/format.h>

#include "deploy/cli/commands.hpp"

namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  postern up                                   a gateway to try out, on ports 2025 and up\n"
    "  postern domain add example.org\n"
    "  postern user add alice@example.org           asks for the password\n"
    "  postern queue list --json\n"
    "  postern config check --config postern.toml\n"
    "\n"
    "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 the gateway does not "
    "answer;\n"
    "4 the configuration has problems; 78 (up) io_uring is missing or forbidden.";

/// Explains a command line that does not parse: what CLI11 says, and which commands there are where
/// one is missing or unknown.
int explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  const auto commands = deepest->get_subcommands([](const CLI::App*) { return true; });
  if (commands.empty()) {
    const int code = app.exit(error);
    return code == 0 ? postern::cli::kOk : postern::cli::kUsage;
  }
  if (error.get_exit_code() == 0) {  // --help, --version
    (void)app.exit(error);
    return postern::cli::kOk;
  }
  const auto extra = app.remaining(true);
  fmt::print(stderr, "postern: {}\n",
             extra.empty() ? "a command is missing" : "unknown: " + extra.front());
  for (const CLI::App* command : commands) {
    fmt::print(stderr, "  {} {:<8} {}\n",
               deepest == &app ? "postern" : "postern " + deepest->get_name(), command->get_name(),
               command->get_description());
  }
  return postern::cli::kUsage;
}

int run(int argc, char** argv) {
  CLI::App app("Postern: SMTP gateway with POP3 and IMAP.", "postern");
  app.set_version_flag("--version", "postern " POSTERN_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();  // global options may stand behind the command, too

  postern::cli::Globals globals;
  postern::cli::Action action;
  app.add_option("--config", globals.config_path,
                 "Configuration file; default: $POSTERN_CONFIG, else /etc/postern/postern.toml")
      ->envname("POSTERN_CONFIG")
      ->type_name("FILE");
  app.add_flag("--json", globals.json, "Print JSON for programs instead of text for people");

  postern::cli::add_up_command(app, globals, action);
  postern::cli::add_domain_commands(app, globals, action);
  postern::cli::add_user_commands(app, globals, action);
  postern::cli::add_queue_commands(app, globals, action);
  postern::cli::add_config_commands(app, globals, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {  // out of memory, or a library's own
    fmt::print(stderr, "postern: {}\n", error.what());
    return postern::cli::kFailed;
  }
}

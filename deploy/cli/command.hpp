// What every command of `postern` has in common: global options, exit codes, the way to the
// gateway. To add a command: an add_..._commands() function in a file of its own, declared in
// commands.hpp and called in main.cpp.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/result.hpp"
#include "store/config/settings.hpp"
#include "store/rpc/blocking_client.hpp"

namespace postern::cli {

/// Documented in `postern --help`: scripts decide on them.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,       ///< asked and refused: exists already, does not exist, ...
  kUsage = 2,        ///< the command line is wrong
  kUnreachable = 3,  ///< the gateway does not answer
  kBadConfig = 4,    ///< the configuration has problems
  kNoIoUring = 78,   ///< `postern up`: the kernel or the container forbids io_uring
};

/// Where the configuration is looked for without --config.
inline constexpr std::string_view kDefaultConfigPath = "/etc/postern/postern.toml";

/// Global options. Lives as long as main().
struct Globals {
  std::string config_path;  ///< empty: kDefaultConfigPath if it is there, else the defaults
  bool json = false;
};

/// What a subcommand leaves for main() to run: gives an ExitCode.
using Action = std::function<int()>;

/// The configuration file that counts; empty if there is none.
std::string effective_config_path(const Globals& globals);

/// Loads the configuration, or prints its problems to standard error and gives kBadConfig.
std::expected<config::Settings, int> load_settings(const Globals& globals);

/// Loads the configuration, connects to the gateway and runs `use`. Prints what fails and gives the
/// exit code for it.
int with_gateway(const Globals& globals,
                 const std::function<Result<void>(store::rpc::BlockingClient&)>& use);

/// Prints "postern: message" to standard error and gives the exit code that fits.
int report(const Error& error);

}  // namespace postern::cli

// The configuration of `postern up`: seven listeners on one address, everything else in the state
// folder.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "deploy/cli/up/state_folder.hpp"
#include "runtime/config/problem.hpp"
#include "store/config/settings.hpp"

namespace postern::cli::up {

inline constexpr std::string_view kDemoDomain = "postern.test";
inline constexpr std::string_view kDemoUser = "demo@postern.test";

/// Added to the well-known ports (25, 587, 465, 110, 995, 143, 993): no root needed.
inline constexpr std::uint32_t kPortBaseDefault = 2000;
/// So that the highest port (base + 995) exists.
inline constexpr std::uint32_t kPortBaseMax = 65535 - 995;

/// What the options of `postern up` ask for.
struct DemoOptions {
  std::string listen = "127.0.0.1";  ///< numeric address
  std::uint32_t port_base = kPortBaseDefault;
};

/// The settings that fit the options, for a state folder.
config::Settings demo_settings(const StateFolder& state, const DemoOptions& options);

/// What DIR/postern.toml is to be.
struct DemoConfig {
  config::Settings settings;  ///< as the file will say
  std::string text;           ///< the file's content; empty: it stays as it is
  bool is_new = false;        ///< there was none
};

/// Plans DIR/postern.toml; writes nothing. A file that is there stays as it is, the user's changes
/// included, except that addresses of the demo's listeners and paths are brought in line with the
/// options and the folder's place. Problems of the file, or of the folder's path, are returned for
/// people.
std::expected<DemoConfig, std::vector<config::ConfigProblem>> plan_config(
    const StateFolder& state, const DemoOptions& options);

/// Writes what was planned. A file that is replaced stays as postern.toml.bak.
Result<void> write_config(const StateFolder& state, const DemoConfig& planned);

}  // namespace postern::cli::up

// The first steps of every daemon: arguments, configuration, log.
#pragma once

#include <expected>
#include <string>

#include "runtime/ring.hpp"
#include "store/config/settings.hpp"

namespace postern::config {

/// What a daemon was started with.
struct DaemonStart {
  Settings settings;
  int ready_fd = -1;  ///< where to say "ready" (process::announce_ready)
};

/// Parses `--config FILE`, `--ready-fd N`, `--version`, `--help`; loads the file; starts the log.
/// On failure (or --help, --version) everything has been printed and the value is the exit code.
/// `name` is the program
/// ("postern-gateway"), `purpose` one line for --help.
std::expected<DaemonStart, int> start_daemon(int argc, char** argv, const std::string& name,
                                             const std::string& purpose);

/// The ring sizes that [runtime] asks for.
RingOptions ring_options(const RuntimeSettings& settings);
/// `configured`, or one per available CPU when it is 0.
std::uint32_t count_or_cpus(std::uint32_t configured);
/// Whether `cores` event loops are bound to CPUs.
bool pins_cores(const RuntimeSettings& settings, std::uint32_t cores);

}  // namespace postern::config

#include "store/config/daemon.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <system_error>

#include "runtime/core_group.hpp"
#include "runtime/log.hpp"
#include "runtime/process.hpp"
#include "store/config/load.hpp"

namespace postern::config {

std::expected<DaemonStart, int> start_daemon(int argc, char** argv, const std::string& name,
                                             const std::string& purpose) {
  process::prepare();
  DaemonStart start;
  std::string file;
  CLI::App app{purpose, name};
  app.set_version_flag("--version", name + " " POSTERN_VERSION);
  app.add_option("--config", file, "Configuration file (TOML); without it every default holds");
  app.add_option("--ready-fd", start.ready_fd,
                 "Write a line to this inherited descriptor once everything listens");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return std::unexpected(code == 0 ? 0 : static_cast<int>(process::kExitUsage));
  }
  LoadResult loaded = load(file);
  if (!loaded) {
    fmt::print(stderr, "{}", describe(loaded.error()));
    return std::unexpected(static_cast<int>(process::kExitUsage));
  }
  start.settings = std::move(*loaded);
  const LogSettings& logging = start.settings.log;
  log::start(log::parse_level(logging.level),
             logging.format == "json" ? log::Format::json : log::Format::logfmt, name);
  std::error_code error;
  std::filesystem::create_directories(start.settings.state, error);
  if (error) {
    fmt::print(
        stderr,
        "{}: cannot make the state folder {}: {}; set state to a folder that this user may write\n",
        name, start.settings.state, error.message());
    log::stop();
    return std::unexpected(static_cast<int>(process::kExitFailed));
  }
  for (const std::string& warning : warnings(start.settings)) {
    log::event(log::Level::warn, "config.warning", {{"text", warning}});
  }
  return start;
}

RingOptions ring_options(const RuntimeSettings& settings) {
  return {.receive_buffers = settings.receive_buffers,
          .receive_buffer_octets = settings.receive_buffer_octets,
          .spin_max = std::chrono::microseconds(settings.spin_us)};
}

std::uint32_t count_or_cpus(std::uint32_t configured) {
  return configured != 0 ? configured : available_cpus();
}

bool pins_cores(const RuntimeSettings& settings, std::uint32_t cores) {
  if (settings.pin_cores == PinCores::automatic) return cores > 1 && cores < available_cpus();
  return settings.pin_cores == PinCores::always;
}

}  // namespace postern::config

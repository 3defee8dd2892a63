// What every Postern process does around its cores: signals, readiness, exit codes.
#pragma once

#include <csignal>
#include <optional>
#include <string_view>

#include "runtime/result.hpp"
#include "runtime/time.hpp"

namespace postern::process {

/// Exit codes shared by the daemons.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,      ///< see the log
  kExitUsage = 2,       ///< wrong arguments or configuration
  kExitNoIoUring = 78,  ///< io_uring is missing or forbidden (EX_CONFIG of sysexits)
};

/// Blocks the signals that wait_for_signal() handles, in this and all later threads; ignores
/// SIGPIPE and SIGXFSZ; raises the descriptor limit to the hard limit. First thing in main().
void prepare();

/// Tells whoever started the process, through the inherited descriptor `ready_fd` (--ready-fd),
/// that it listens: writes "ready\n" and closes it. -1: nobody asked. Also tells systemd if
/// NOTIFY_SOCKET is set.
void announce_ready(int ready_fd);

/// Waits for SIGTERM, SIGINT or SIGHUP and returns it; 0 if none came within `time_max` (zero:
/// waits for ever).
int wait_for_signal(Duration time_max = Duration::zero());

/// Prints "name: message" to standard error and returns the exit code that fits the error.
int report(std::string_view name, const Error& error);

}  // namespace postern::process

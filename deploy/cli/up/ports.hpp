// Are the ports free, and if not, who has them?
#pragma once

#include <string>
#include <vector>

#include "store/config/settings.hpp"

namespace postern::cli::up {

/// Tries every address that `settings` listens on. One sentence for each that cannot be had: which
/// listener, which address, why, and by whom a port is taken where /proc tells. Empty: all are
/// free.
std::vector<std::string> unavailable_addresses(const config::Settings& settings);

/// "postfix (process 123)" for the process that listens on a TCP port of this machine; empty if it
/// is not found, which includes processes of other users.
std::string port_owner(unsigned port);

}  // namespace postern::cli::up

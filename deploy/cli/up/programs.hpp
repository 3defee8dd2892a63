// Where the executables are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"

namespace postern::cli::up {

/// The file that this process was started from.
std::string own_executable();

/// Finds `name` in `folder`, or where the build keeps it below `folder` (gateway/, sidecars/...).
/// An empty `folder` is the folder of this executable, and the build folder if that is in one.
/// not_found: the message names the places looked at and the remedy.
Result<std::string> find_program(std::string_view name, const std::string& folder);

}  // namespace postern::cli::up

// Reads TOML into a struct of settings through the struct's bind() function and reports every
// problem at once. Only a file that is not TOML at all stops at its first error: what follows
// cannot be trusted.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/binder.hpp"
#include "runtime/config/problem.hpp"
#include "runtime/result.hpp"

namespace postern::config {

/// Parses `text` and calls `body` with a Binder for the root table. Values with a problem keep
/// their default. Returns the problems, in the order found; `file_name` is what they name. Never
/// throws.
std::vector<ConfigProblem> read_toml(std::string_view text, const std::string& file_name,
                                     const std::function<void(Binder&)>& body);

/// Largest configuration file: a wrong path (a mailbox, a disk image) is noticed before it is in
/// memory.
inline constexpr std::size_t kConfigFileOctetsMax = 4u << 20;

/// The whole file. not_found, permission_denied, io, exhausted (too large).
Result<std::string> read_config_file(const std::string& path);

}  // namespace postern::config

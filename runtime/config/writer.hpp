// Writes a struct of settings as commented TOML that the reader reads back to an equal struct.
#pragma once

#include <functional>
#include <string>

#include "runtime/config/binder.hpp"

namespace postern::config {

/// Calls `body` with a Binder for the root table and returns the file's text: each key with its
/// doc, range or words as comment above it (in an array of tables at its first table only).
std::string write_toml(const std::function<void(Binder&)>& body);

}  // namespace postern::config

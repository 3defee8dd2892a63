// The folder that `postern up` keeps everything in, and small files with the right permissions.
#pragma once

#include <string>
#include <string_view>

#include "runtime/result.hpp"
#include "runtime/unique_fd.hpp"

namespace postern::cli::up {

/// An opened state folder; its lock is held as long as this lives.
struct StateFolder {
  std::string path;  ///< absolute
  UniqueFd lock;

  std::string file(std::string_view name) const { return path + "/" + std::string(name); }
};

/// Creates `path` (mode 0700) if it is missing, checks that it may be written and that it is empty
/// or an earlier state folder, and locks it against a second `postern up`. The errors name the
/// remedy.
Result<StateFolder> open_state_folder(const std::string& path);

/// Writes `content` to `path` with exactly `mode`, whole or not at all (a temporary file, then
/// rename).
Result<void> write_file(const std::string& path, std::string_view content, unsigned mode);

}  // namespace postern::cli::up

#include "deploy/cli/up/programs.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

namespace postern::cli::up {
namespace {

// Of a meson build folder.
constexpr const char* kBuildFolders[] = {"", "gateway", "sidecars", "sidecars/pop3",
                                         "sidecars/imap"};

}  // namespace

std::string own_executable() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

Result<std::string> find_program(std::string_view name, const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path root = folder.empty() ? fs::path(own_executable()).parent_path() : fs::path(folder);
  root = fs::absolute(root, error).lexically_normal();
  std::vector<fs::path> roots = {root};
  // build/release/deploy/cli/postern: the others are two folders up.
  if (folder.empty() && root.filename() == "cli") roots.push_back(root.parent_path().parent_path());
  for (const fs::path& place : roots) {
    for (const char* below : kBuildFolders) {
      const fs::path candidate = place / below / name;
      if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) {
        return candidate.string();
      }
    }
  }
  return fail(ErrorCode::not_found,
              fmt::format("{} is not in {} nor in the build folders below it; build it "
                          "(deploy/up does) or name its folder with --bin-dir",
                          name, roots.back().string()));
}

}  // namespace postern::cli::up

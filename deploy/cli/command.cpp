#include "deploy/cli/command.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

#include "store/config/load.hpp"

namespace postern::cli {

std::string effective_config_path(const Globals& globals) {
  if (!globals.config_path.empty()) return globals.config_path;
  const std::string path(kDefaultConfigPath);
  return ::access(path.c_str(), F_OK) == 0 ? path : "";
}

std::expected<config::Settings, int> load_settings(const Globals& globals) {
  auto loaded = config::load(effective_config_path(globals));
  if (loaded) return std::move(*loaded);
  fmt::print(stderr, "{}", config::describe(loaded.error()));
  return std::unexpected(static_cast<int>(kBadConfig));
}

int report(const Error& error) {
  fmt::print(stderr, "postern: {}\n", error.message);
  return error.code == ErrorCode::unavailable ? kUnreachable : kFailed;
}

int with_gateway(const Globals& globals,
                 const std::function<Result<void>(store::rpc::BlockingClient&)>& use) {
  const auto settings = load_settings(globals);
  if (!settings) return settings.error();
  auto client = store::rpc::BlockingClient::connect(settings->store.socket);
  if (!client) {
    report(client.error());
    const std::string path = effective_config_path(globals);
    fmt::print(
        stderr, "postern: the socket's path comes from {}\n",
        path.empty() ? "the defaults, since no configuration file was given with --config" : path);
    return kUnreachable;
  }
  const auto done = use(*client);
  return done ? kOk : report(done.error());
}

}  // namespace postern::cli

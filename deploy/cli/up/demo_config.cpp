#include "deploy/cli/up/demo_config.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

#include "runtime/config/endpoint.hpp"
#include "store/config/load.hpp"

namespace postern::cli::up {
namespace {

using config::Settings;

constexpr std::string_view kHeader =
    "# Made by postern up, and yours to edit: postern up keeps your changes, except that addresses "
    "of\n"
    "# the listeners below and paths follow its options.\n";

/// Moves the listeners from their well-known ports to the options' address and port base.
template <class Listener>
void move_listeners(std::vector<Listener>& listeners, const DemoOptions& options) {
  for (Listener& listener : listeners) {
    const auto known = config::parse_endpoint(listener.addresses.front());
    const auto port = static_cast<std::uint16_t>(options.port_base + known->port);
    listener.addresses = {config::format_endpoint(options.listen, port)};
    // Whoever tries it out, with load tools perhaps, is one source.
    listener.connections_per_source_max = 0;
    listener.connections_per_source_percent = 0;
  }
}

/// Gives listeners of `present` the addresses of those of the same name in `wanted`.
template <class Listener>
void align(std::vector<Listener>& present, const std::vector<Listener>& wanted) {
  for (Listener& listener : present) {
    for (const Listener& model : wanted) {
      if (model.name == listener.name) listener.addresses = model.addresses;
    }
  }
}

}  // namespace

Settings demo_settings(const StateFolder& state, const DemoOptions& options) {
  Settings s;
  s.hostname = kDemoDomain;
  s.state = state.path;
  s.tls = {state.file("cert.pem"), state.file("key.pem")};
  s.store.path = state.file("store");
  s.store.socket = state.file("postern.sock");
  s.gateway.listeners = config::default_smtp_listeners();
  s.pop3.listeners = config::default_pop3_listeners();
  s.imap.listeners = config::default_imap_listeners();
  move_listeners(s.gateway.listeners, options);
  // See move_listeners(): a load tool would soon be told 421.
  for (config::SmtpListenerSettings& listener : s.gateway.listeners) {
    listener.source_message_rate = {};
    listener.identity_message_rate = {};
  }
  move_listeners(s.pop3.listeners, options);
  move_listeners(s.imap.listeners, options);
  return s;
}

std::expected<DemoConfig, std::vector<config::ConfigProblem>> plan_config(
    const StateFolder& state, const DemoOptions& options) {
  const std::string path = state.file("postern.toml");
  const Settings wanted = demo_settings(state, options);
  DemoConfig out;
  out.settings = wanted;
  out.is_new = ::access(path.c_str(), F_OK) != 0;
  if (!out.is_new) {
    auto present = config::load(path);
    if (!present) return std::unexpected(std::move(present.error()));
    out.settings = *present;
    out.settings.state = wanted.state;
    out.settings.store.path = wanted.store.path;
    out.settings.store.socket = wanted.store.socket;
    // A certificate of the user's own stays.
    if (::access(present->tls.certificate.c_str(), F_OK) != 0) out.settings.tls = wanted.tls;
    align(out.settings.gateway.listeners, wanted.gateway.listeners);
    align(out.settings.pop3.listeners, wanted.pop3.listeners);
    align(out.settings.imap.listeners, wanted.imap.listeners);
    if (out.settings == *present) return out;
  }
  out.text = std::string(kHeader) + config::dump(out.settings);
  // Read back before it is written: a folder too deep for the socket, say, is noticed here.
  auto read_back = config::parse(out.text, path);
  if (!read_back) return std::unexpected(std::move(read_back.error()));
  return out;
}

Result<void> write_config(const StateFolder& state, const DemoConfig& planned) {
  if (planned.text.empty()) return {};
  const std::string path = state.file("postern.toml");
  if (!planned.is_new && ::rename(path.c_str(), (path + ".bak").c_str()) != 0) {
    return fail(ErrorCode::io, fmt::format("cannot rename {}: {}", path, std::strerror(errno)));
  }
  return write_file(path, planned.text, 0600);
}

}  // namespace postern::cli::up

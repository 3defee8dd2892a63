#include "sidecars/common/sidecar.hpp"

#include <cerrno>
#include <sys/stat.h>

#include "runtime/log.hpp"
#include "runtime/process.hpp"
#include "runtime/serve.hpp"
#include "sidecars/common/sidecar_core.hpp"
#include "store/config/access.hpp"
#include "store/config/daemon.hpp"
#include "store/config/tls_files.hpp"

namespace postern::sidecars {

namespace {

using log::Level;

// Reads that may wait for a worker: one for every connection of a busy sidecar, a closure of some
// 200 octets each. Beyond it a client is told that the store is busy.
constexpr std::size_t kWorkerQueueMax = 20'000;

std::vector<metrics::Description> describe_metrics(const std::string& protocol) {
  using metrics::Kind;
  const std::string prefix = "postern_" + protocol;
  std::vector<metrics::Description> all = {
      {prefix + "_connections_total", "Connections", Kind::counter, "outcome", "accepted"},
      {prefix + "_connections_total", "Connections", Kind::counter, "outcome", "refused"},
      {prefix + "_logins_total", "Logins", Kind::counter, "outcome", "ok"},
      {prefix + "_logins_total", "Logins", Kind::counter, "outcome", "failed"},
      {prefix + "_tls_failures_total", "TLS handshakes that failed", Kind::counter, "", ""},
  };
  for (const char* reason : {"not_allowed", "denied", "connections", "per_source", "proxy"}) {
    all.push_back({prefix + "_connections_refused_total", "Connections refused at once",
                   Kind::counter, "reason", reason});
  }
  return all;
}

Result<void> prepare_listeners(SidecarShared& shared) {
  const auto& all = shared.protocol->listeners();
  for (std::size_t index = 0; index < all.size(); ++index) {
    if (all[index].tls == config::TlsMode::implicit && !shared.tls_configured()) continue;
    auto state = std::make_unique<ListenerState>();
    state->settings = all[index];
    state->index = index;
    auto addresses = parse_free_addresses(all[index].addresses);
    if (!addresses) return std::unexpected(addresses.error());
    state->addresses = std::move(*addresses);
    auto rules = config::access_rules(all[index]);
    if (!rules) return std::unexpected(rules.error());
    state->gate = std::make_unique<ConnectionGate>(std::move(*rules));
    shared.listeners.push_back(std::move(state));
  }
  return {};
}

Result<int> run(const config::DaemonStart& start, Protocol& protocol) {
  SidecarShared shared;
  shared.protocol = &protocol;
  shared.settings = start.settings;
  shared.metrics = std::make_unique<metrics::Registry>(describe_metrics(protocol.name()));
  const config::RuntimeSettings& runtime = shared.settings.runtime;
  if (auto ring = EventLoop::create(config::ring_options(runtime)); !ring) {
    return std::unexpected(ring.error());
  }
  const std::uint32_t cores = config::count_or_cpus(runtime.cores);
  auto tls = TlsKeeper::open(config::tls_files(shared.settings.tls),
                             shared.settings.tls.ticket_key_period, cores);
  if (!tls) return std::unexpected(tls.error());
  shared.tls = std::move(*tls);
  if (auto prepared = prepare_listeners(shared); !prepared) {
    return std::unexpected(prepared.error());
  }
  const std::string scratch = shared.settings.state + "/" + protocol.name();
  if (::mkdir(scratch.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(ErrorCode::io, "cannot make the folder " + scratch);
  }
  shared.metrics->add_reader({"postern_" + protocol.name() + "_connections_open",
                              "Connections open now", metrics::Kind::gauge, "", ""},
                             [&shared] {
                               double open = 0;
                               for (const auto& listener : shared.listeners)
                                 open += listener->gate->open();
                               return open;
                             });
  shared.metrics->add_reader(
      {"postern_" + protocol.name() + "_tls_certificate_expires_seconds",
       "When the first certificate expires, since 1970; 0: there is none", metrics::Kind::gauge, "",
       ""},
      [&shared] { return static_cast<double>(shared.tls->expires_unix_seconds()); });
  if (const std::string& listen = protocol.metrics_endpoint(shared.settings.metrics);
      !listen.empty()) {
    if (auto served = shared.metrics->serve(listen); !served)
      return std::unexpected(served.error());
  }
  shared.view = std::make_unique<SharedView>(scratch);
  shared.workers = std::make_unique<WorkerPool>(config::count_or_cpus(runtime.worker_threads),
                                                kWorkerQueueMax, "reader");
  const CoreGroup::Options options{.count = cores,
                                   .ring = config::ring_options(runtime),
                                   .pin = config::pins_cores(runtime, cores)};
  auto group = CoreGroup::start(options, [&](EventLoop& loop, std::uint32_t index) {
    return SidecarCore::create(loop, index, shared);
  });
  if (!group) return std::unexpected(group.error());
  log::event(Level::info, protocol.name() + ".started",
             {{"cores", cores}, {"listeners", shared.listeners.size()}});
  process::announce_ready(start.ready_fd);

  serve_until_signal(**group, runtime.drain_timeout, protocol.name(),
                     {.reload = [&] { shared.tls->reload(**group); },
                      .periodic = [&] { shared.tls->rotate_tickets(**group); },
                      .period = shared.tls->rotation_period()});
  shared.workers.reset();
  log::event(Level::info, protocol.name() + ".stopped", {});
  return process::kExitOk;
}

}  // namespace

int run_sidecar(int argc, char** argv, Protocol& protocol) {
  const std::string program = "postern-" + protocol.name();
  auto start = config::start_daemon(argc, argv, program, protocol.purpose());
  if (!start) return start.error();
  protocol.configure(start->settings);
  const Result<int> outcome = run(*start, protocol);
  log::stop();
  if (!outcome) return process::report(program, outcome.error());
  return *outcome;
}

}  // namespace postern::sidecars

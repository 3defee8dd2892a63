// postern-gateway: SMTP in, the store, and the store service. Start-up and shutdown in order; what
// happens in between is in core.hpp (connections), store/engine.hpp (the committer) and
// store_service.hpp.
#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <thread>

#include "gateway/core.hpp"
#include "gateway/login_keeper.hpp"
#include "gateway/metric_ids.hpp"
#include "gateway/store_service.hpp"
#include "runtime/log.hpp"
#include "runtime/process.hpp"
#include "runtime/serve.hpp"
#include "store/config/access.hpp"
#include "store/config/daemon.hpp"
#include "store/config/tls_files.hpp"
#include "store/rpc/protocol.hpp"

namespace postern::gateway {
namespace {

using log::Level;

// Password hashes (nearly all of them) and listings that may wait for one worker. The last one is
// answered well before its client gives up; beyond it a login is refused at once instead of being
// hashed for nobody. Each holds a user name and a password.
constexpr std::size_t kJobsPerWorkerMax = 80;
constexpr Duration kHashTime = std::chrono::milliseconds(100);  // see store::ScryptCost
static_assert(kHashTime * kJobsPerWorkerMax * 3 / 2 <= store::rpc::kAnswerTimeMax,
              "a machine that is half as busy again still answers in time");
// Answers one core may have to take at once: a message in flight for every connection it can hold.
constexpr std::size_t kCompletionQueueMin = 64 * 1024;

/// Hands finished requests from the engine's row thread to the cores.
class Completions final : public store::CompletionSink {
 public:
  Completions(std::uint32_t cores, std::size_t capacity) : loops_(cores) {
    for (std::uint32_t index = 0; index < cores; ++index) {
      queues_.push_back(std::make_unique<CompletionQueue>(capacity));
    }
  }
  CompletionQueue& queue(std::uint32_t core) { return *queues_[core]; }
  void attach(std::uint32_t core, EventLoop& loop) { loops_[core].store(&loop); }

  void complete(std::uint32_t core, store::SpoolRequest** requests, std::size_t count) override {
    EventLoop* loop = loops_[core].load(std::memory_order_relaxed);
    for (std::size_t index = 0; index < count; ++index) {
      while (!queues_[core]->try_push(std::move(requests[index]))) {
        loop->wake();  // cannot happen while connections are fewer than the queue's places
        std::this_thread::yield();
      }
    }
    loop->wake();
  }

 private:
  std::vector<std::unique_ptr<CompletionQueue>> queues_;
  std::vector<std::atomic<EventLoop*>> loops_;
};

Result<void> prepare_listeners(GatewayShared& shared) {
  for (const auto& settings : shared.settings.gateway.listeners) {
    if (settings.tls == config::TlsMode::implicit && !shared.tls_configured()) continue;
    auto state = std::make_unique<ListenerState>();
    state->settings = settings;
    auto addresses = parse_free_addresses(settings.addresses);
    if (!addresses) return std::unexpected(addresses.error());
    state->addresses = std::move(*addresses);
    auto rules = config::access_rules(settings);
    if (!rules) return std::unexpected(rules.error());
    state->gate = std::make_unique<ConnectionGate>(std::move(*rules));
    state->profile =
        smtp::SmtpProfile::make(settings, shared.settings.hostname, shared.tls_configured());
    state->policy = shared.policy->add_listener(settings);
    shared.listeners.push_back(std::move(state));
  }
  return {};
}

void add_store_metrics(GatewayShared& shared) {
  using metrics::Kind;
  store::Engine& engine = *shared.engine;
  const auto add = [&](const char* name, const char* help, Kind kind, auto read) {
    shared.metrics->add_reader({name, help, kind, "", ""}, [&engine, read] {
      return static_cast<double>(read(engine.stats()));
    });
  };
  using Stats = store::EngineStats;
  add("postern_store_body_groups_total", "Synced writes of message bodies", Kind::counter,
      [](const Stats& stats) { return stats.bodies.groups; });
  add("postern_store_row_groups_total", "Writes of mailbox rows", Kind::counter,
      [](const Stats& stats) { return stats.rows.groups; });
  add("postern_store_messages_total", "Messages made durable", Kind::counter,
      [](const Stats& stats) { return stats.messages_durable; });
  add("postern_store_requests_waiting", "Messages on their way to the disk", Kind::gauge,
      [](const Stats& stats) { return stats.requests_waiting; });
  add("postern_store_bodies_open",
      "Large messages that arrive, or were given up and are not removed", Kind::gauge,
      [](const Stats& stats) { return stats.bodies_open; });
  add("postern_store_disk_free_octets", "Free space at the last check", Kind::gauge,
      [](const Stats& stats) { return stats.disk_free_octets; });
  add("postern_store_stalls_total", "Groups refused because the store could not keep up",
      Kind::counter, [](const Stats& stats) { return stats.bodies.stalls + stats.rows.stalls; });
  add("postern_store_errors_total", "Groups that could not be written", Kind::counter,
      [](const Stats& stats) { return stats.bodies.errors + stats.rows.errors; });
  add("postern_store_messages_restored", "Messages whose rows this start wrote again after a crash",
      Kind::gauge, [](const Stats& stats) { return stats.messages_restored; });
}

// Says what a crash had left, if it left anything.
void log_recovery(const store::EngineStats& stats) {
  if (stats.messages_restored == 0 && stats.bodies_removed == 0) return;
  log::event(Level::warn, "store.recovered",
             {{"messages_restored", stats.messages_restored},
              {"unfinished_bodies_removed", stats.bodies_removed}});
}

// What clients are remembered for, beyond what cores count themselves.
void add_policy_metrics(GatewayShared& shared) {
  policy::GatewayPolicy& policy = *shared.policy;
  const auto add = [&](const char* name, const char* help, metrics::Kind kind, auto read) {
    shared.metrics->add_reader({name, help, kind, "", ""},
                               [&policy, read] { return static_cast<double>(read(policy)); });
  };
  add("postern_smtp_rate_keys", "Sources and accounts whose rates are remembered",
      metrics::Kind::gauge, [](policy::GatewayPolicy& p) { return p.rates().keys(); });
  add("postern_login_sources_remembered", "Sources with failed logins", metrics::Kind::gauge,
      [](policy::GatewayPolicy& p) { return p.logins().sources(); });
  add("postern_login_accounts_remembered", "Names with failed logins", metrics::Kind::gauge,
      [](policy::GatewayPolicy& p) { return p.logins().accounts(); });
  add("postern_login_networks_known", "Pairs of an account and a network it has logged in from",
      metrics::Kind::gauge, [](policy::GatewayPolicy& p) { return p.logins().known_pairs(); });
  add("postern_smtp_rate_keys_forgotten_total", "Keys pushed out of the full table of rates",
      metrics::Kind::counter, [](policy::GatewayPolicy& p) { return p.rates().keys_forgotten(); });
}

Result<void> open_store(GatewayShared& shared, Completions& completions, StoreService& service,
                        std::uint32_t cores) {
  const config::StoreSettings& settings = shared.settings.store;
  store::EngineOptions options{.path = settings.path,
                               .cores = cores,
                               .queue_requests = settings.commit_queue_requests,
                               .disk_free_min_octets = settings.disk_free_min_octets,
                               .mailbox_quota_octets = shared.settings.mailbox.quota};
  options.on_change = [&service](std::span<const store::MailboxChange> changes,
                                 store::StorePosition position) {
    service.publish(changes, position);
  };
  auto engine = store::Engine::open(std::move(options), completions);
  if (!engine) return std::unexpected(engine.error());
  shared.engine = std::move(*engine);
  shared.authenticator = std::make_unique<store::Authenticator>(
      [&engine = *shared.engine] { return engine.directory(); });
  return {};
}

Result<int> run(const config::DaemonStart& start) {
  GatewayShared shared;
  shared.settings = start.settings;
  shared.start_unix_ms = read_clocks().unix_ms;
  RAND_bytes(reinterpret_cast<std::uint8_t*>(&shared.epoch), sizeof shared.epoch);
  shared.metrics = std::make_unique<metrics::Registry>(describe_metrics());
  const config::RuntimeSettings& runtime = shared.settings.runtime;
  const std::uint32_t cores = config::count_or_cpus(runtime.cores);
  shared.cores = cores;

  shared.policy = std::make_unique<policy::GatewayPolicy>(shared.settings.gateway, cores);

  // Everything that can be wrong with the machine comes first: nothing is opened in vain.
  if (auto ring = EventLoop::create(config::ring_options(runtime)); !ring) {
    return std::unexpected(ring.error());
  }
  auto tls = TlsKeeper::open(config::tls_files(shared.settings.tls),
                             shared.settings.tls.ticket_key_period, cores);
  if (!tls) return std::unexpected(tls.error());
  shared.tls = std::move(*tls);
  if (auto prepared = prepare_listeners(shared); !prepared) {
    return std::unexpected(prepared.error());
  }
  const auto& listeners = shared.settings.gateway.listeners;
  if (std::ranges::any_of(listeners, [](const config::SmtpListenerSettings& listener) {
        return listener.duplicate_window.count() != 0;
      })) {
    std::uint64_t seed = 0;
    RAND_bytes(reinterpret_cast<std::uint8_t*>(&seed), sizeof seed);
    shared.duplicates =
        std::make_unique<DuplicateTable>(shared.settings.gateway.duplicates_max, seed);
  }
  const std::uint32_t workers = config::count_or_cpus(runtime.worker_threads);
  shared.workers = std::make_unique<WorkerPool>(workers, workers * kJobsPerWorkerMax, "worker");
  StoreService service(shared);
  Completions completions(cores, kCompletionQueueMin + shared.settings.store.commit_queue_requests);
  if (auto opened = open_store(shared, completions, service, cores); !opened) {
    return std::unexpected(opened.error());
  }
  log_recovery(shared.engine->stats());
  restore_logins(shared);
  add_store_metrics(shared);
  shared.metrics->add_reader(
      {"postern_smtp_tls_certificate_expires_seconds",
       "When the first certificate expires, since 1970; 0: there is none", metrics::Kind::gauge, "",
       ""},
      [&shared] { return static_cast<double>(shared.tls->expires_unix_seconds()); });
  add_policy_metrics(shared);
  if (!shared.settings.metrics.listen.empty()) {
    if (auto served = shared.metrics->serve(shared.settings.metrics.listen); !served) {
      return std::unexpected(served.error());
    }
  }

  CoreGroup::Options options{.count = cores,
                             .ring = config::ring_options(runtime),
                             .pin = config::pins_cores(runtime, cores)};
  auto group = CoreGroup::start(options, [&](EventLoop& loop, std::uint32_t index) {
    completions.attach(index, loop);
    return GatewayCore::create(loop, index, shared, completions.queue(index),
                               index == 0 ? &service : nullptr);
  });
  if (!group) return std::unexpected(group.error());
  log::event(Level::info, "gateway.started",
             {{"cores", cores},
              {"listeners", shared.listeners.size()},
              {"store", shared.settings.store.path}});
  process::announce_ready(start.ready_fd);

  serve_until_signal(**group, runtime.drain_timeout, "gateway",
                     {.reload = [&] { shared.tls->reload(**group); },
                      .periodic = [&] { shared.tls->rotate_tickets(**group); },
                      .period = shared.tls->rotation_period()});
  shared.workers.reset();
  save_logins(shared);
  shared.engine->close();
  log::event(Level::info, "gateway.stopped", {});
  return process::kExitOk;
}

}  // namespace
}  // namespace postern::gateway

int main(int argc, char** argv) {
  auto start = postern::config::start_daemon(
      argc, argv, "postern-gateway", "Postern's SMTP gateway: accepts mail and owns the store.");
  if (!start) return start.error();
  const postern::Result<int> outcome = postern::gateway::run(*start);
  postern::log::stop();
  if (!outcome) return postern::process::report("postern-gateway", outcome.error());
  return *outcome;
}

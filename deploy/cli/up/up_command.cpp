// postern up: from nothing to a running demo in one command. The steps stand in run_up(), in order.
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <memory>
#include <openssl/rand.h>
#include <unistd.h>

#include "deploy/cli/commands.hpp"
#include "deploy/cli/output.hpp"
#include "deploy/cli/up/announce.hpp"
#include "deploy/cli/up/certificates.hpp"
#include "deploy/cli/up/demo_config.hpp"
#include "deploy/cli/up/ports.hpp"
#include "deploy/cli/up/programs.hpp"
#include "deploy/cli/up/state_folder.hpp"
#include "deploy/cli/up/supervisor.hpp"
#include "runtime/config/endpoint.hpp"
#include "store/config/load.hpp"

namespace postern::cli {
namespace {

using namespace up;

// Recovery of a large store after a crash comes before the gateway listens.
constexpr std::chrono::seconds kReadyTimeout{120};
// A sign of life for people while they wait.
constexpr std::chrono::seconds kPatience{5};
// Beyond runtime.drain_timeout, for flushing and closing the store.
constexpr std::chrono::seconds kStopGrace{10};
// 20 of 57 letters and digits: 116 bits.
constexpr std::size_t kPasswordLetters = 20;
// How far away the port base is that is suggested when a port is taken.
constexpr std::uint32_t kPortBaseStep = 1000;

struct UpOptions {
  std::string state = "postern-state";
  DemoOptions demo;
  std::string bin_dir;
};

/// A failed step: its sentence is printed already.
using Step = std::expected<void, int>;

std::unexpected<int> give_up(const std::string& sentence, int code = kFailed) {
  fmt::print(stderr, "postern up: {}\n", sentence);
  return std::unexpected(code);
}

/// Everything that the steps find out.
struct Run {
  StateFolder state;
  config::Settings settings;
  std::string gateway, pop3, imap;  ///< executables
  bool own_certificate = false;     ///< the user's, not ours
  bool password_is_new = false;
  std::string password;
};

Step find_programs(const UpOptions& options, Run& run) {
  for (const auto& [name, path] :
       {std::pair{"postern-gateway", &run.gateway}, std::pair{"postern-pop3", &run.pop3},
        std::pair{"postern-imap", &run.imap}}) {
    auto found = find_program(name, options.bin_dir);
    if (!found) return give_up(found.error().message);
    *path = std::move(*found);
  }
  return {};
}

Step prepare_config(const UpOptions& options, Run& run) {
  auto planned = plan_config(run.state, options.demo);
  if (!planned) {
    fmt::print(stderr, "{}", config::describe(planned.error()));
    return std::unexpected(static_cast<int>(kBadConfig));
  }
  run.settings = planned->settings;
  // Before anything is written: the usual mistake leaves no trace.
  if (const auto taken = unavailable_addresses(run.settings); !taken.empty()) {
    for (const std::string& sentence : taken) fmt::print(stderr, "postern up: {}\n", sentence);
    const std::uint32_t next = std::max(options.demo.port_base + kPortBaseStep, kPortBaseDefault);
    return give_up(
        fmt::format("choose other ports with --port-base, for example --port-base {}, or "
                    "another address with --listen",
                    next <= kPortBaseMax ? next : kPortBaseDefault));
  }
  if (auto done = write_config(run.state, *planned); !done) return give_up(done.error().message);
  const std::string path = run.state.file("postern.toml");
  if (planned->is_new) {
    fmt::print(stderr, "postern up: wrote {}\n", path);
  } else if (!planned->text.empty()) {
    fmt::print(stderr,
               "postern up: addresses and paths in {0} follow the options now; the former file is "
               "{0}.bak\n",
               path);
  }
  return {};
}

Step prepare_certificate(const UpOptions& options, Run& run) {
  const CertificateFiles files{run.state.file("ca.pem"), run.state.file("cert.pem"),
                               run.state.file("key.pem")};
  run.own_certificate = run.settings.tls.certificate != files.certificate;
  if (run.own_certificate) return {};
  CertificateNames names;
  names.hosts = {std::string(kDemoDomain), "localhost"};
  names.addresses = {"127.0.0.1", "::1"};
  const auto& listen = options.demo.listen;
  if (listen != "0.0.0.0" && listen != "::" && listen != "127.0.0.1" && listen != "::1") {
    names.addresses.push_back(listen);
  }
  const auto made = ensure_certificate(files, names);
  if (!made) return give_up(made.error().message);
  if (*made)
    fmt::print(stderr, "postern up: made a certificate; clients trust {}\n", files.authority);
  return {};
}

/// Reads DIR/demo-password or makes it.
Step prepare_password(Run& run) {
  const std::string path = run.state.file("demo-password");
  std::ifstream file(path);
  std::getline(file, run.password);
  if (!run.password.empty()) return {};
  // Without 0 O 1 l I: some people type it off the screen.
  constexpr std::string_view kLetters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  while (run.password.size() < kPasswordLetters) {
    std::uint8_t octet = 0;
    RAND_bytes(&octet, 1);
    // Octets beyond the last whole multiple would favour the first letters.
    if (octet < 256 / kLetters.size() * kLetters.size()) {
      run.password += kLetters[octet % kLetters.size()];
    }
  }
  run.password_is_new = true;
  if (auto done = write_file(path, run.password + "\n", 0600); !done) {
    return give_up(done.error().message);
  }
  return {};
}

/// Starts a program and waits until it listens.
Step start(Supervisor& supervisor, const Run& run, const std::string& name,
           const std::string& path) {
  const auto index =
      supervisor.start(Program{.name = name,
                               .path = path,
                               .arguments = {"--config", run.state.file("postern.toml")},
                               .log_path = run.state.file(name + ".log"),
                               .stops_last = name == "postern-gateway"});
  if (!index) return give_up(index.error().message);
  auto outcome = Supervisor::Outcome::timeout;
  for (auto waited = std::chrono::seconds(0);
       outcome == Supervisor::Outcome::timeout && waited < kReadyTimeout; waited += kPatience) {
    if (waited.count() > 0) {
      fmt::print(stderr, "postern up: waiting for {} ({} s, log: {})\n", name, waited.count(),
                 run.state.file(name + ".log"));
    }
    outcome = supervisor.wait_ready(*index, kPatience);
  }
  switch (outcome) {
    case Supervisor::Outcome::ready:
      return {};
    case Supervisor::Outcome::stopped:
      return std::unexpected(static_cast<int>(kOk));
    case Supervisor::Outcome::timeout:
      return give_up(fmt::format("{} does not listen after {} s; its log is {}", name,
                                 kReadyTimeout.count(), run.state.file(name + ".log")));
    case Supervisor::Outcome::exited:
      break;
  }
  const std::string tail = supervisor.log_tail(*index);
  fmt::print(stderr, "postern up: {} ended at once with {}{}\n", name, supervisor.exit_text(*index),
             tail.empty() ? "" : ":\n" + harmless_lines(tail));
  return std::unexpected(
      static_cast<int>(supervisor.exit_code(*index) == kNoIoUring ? kNoIoUring : kFailed));
}

/// Makes the demo's domain and user, unless they are there.
Step provision(const Run& run) {
  auto client = store::rpc::BlockingClient::connect(run.settings.store.socket);
  if (!client) return give_up(client.error().message);
  const auto fine = [](const Result<void>& done) {
    return done || done.error().code == ErrorCode::already_exists;
  };
  if (auto done = client->domain_add(std::string(kDemoDomain)); !fine(done)) {
    return give_up(done.error().message);
  }
  const std::string user(kDemoUser);
  auto done = client->user_add(user, run.password, {"postmaster@" + std::string(kDemoDomain)});
  const bool was_there = !done && done.error().code == ErrorCode::already_exists;
  if (was_there && run.password_is_new) done = client->user_password(user, run.password);
  if (!fine(done)) return give_up(done.error().message);
  return {};
}

void announce(const Globals& globals, const Run& run) {
  const Announcement facts{.settings = run.settings,
                           .state_path = run.state.path,
                           .authority = run.own_certificate ? "" : run.state.file("ca.pem"),
                           .password_file = run.state.file("demo-password"),
                           .config_file = run.state.file("postern.toml"),
                           .program = own_executable()};
  if (globals.json) {
    print_json(announcement_json(facts));
  } else {
    fmt::print("\n{}", announcement_text(facts));
  }
  std::fflush(stdout);
}

Step start_everything(const Globals& globals, const Run& run, Supervisor& supervisor) {
  if (auto done = start(supervisor, run, "postern-gateway", run.gateway); !done) return done;
  if (auto done = provision(run); !done) return done;
  if (auto done = start(supervisor, run, "postern-pop3", run.pop3); !done) return done;
  if (auto done = start(supervisor, run, "postern-imap", run.imap); !done) return done;
  announce(globals, run);
  return {};
}

/// Options that CLI11 cannot check.
Step check_options(UpOptions& options) {
  std::string& listen = options.demo.listen;
  if (listen.starts_with('[') && listen.ends_with(']'))
    listen = listen.substr(1, listen.size() - 2);
  const auto address = config::parse_address(listen);
  if (!address) {
    return give_up(
        fmt::format("--listen: {}; write for example 127.0.0.1 or ::1", address.error().message),
        kUsage);
  }
  listen = address->address;
  return {};
}

int run_up(const Globals& globals, UpOptions options) {
  Run run;
  if (auto done = check_options(options); !done) return done.error();
  if (auto done = find_programs(options, run); !done) return done.error();
  auto state = open_state_folder(options.state);
  if (!state) return give_up(state.error().message).error();
  run.state = std::move(*state);
  if (auto done = prepare_config(options, run); !done) return done.error();
  if (auto done = prepare_certificate(options, run); !done) return done.error();
  if (auto done = prepare_password(run); !done) return done.error();

  Supervisor supervisor(std::chrono::seconds(run.settings.runtime.drain_timeout) + kStopGrace);
  const auto started = start_everything(globals, run, supervisor);
  if (started) {
    supervisor.run();
    fmt::print(stderr, "postern up: stopping; once more kills\n");
  }
  const bool clean = supervisor.shut_down();
  if (!started) return started.error();
  if (clean) fmt::print(stderr, "postern up: stopped\n");
  return clean ? kOk : kFailed;
}

}  // namespace

void add_up_command(CLI::App& app, const Globals& globals, Action& action) {
  const auto options = std::make_shared<UpOptions>();
  CLI::App* up = app.add_subcommand(
      "up", "Start a gateway to try out, with a demo domain, user and certificate");
  up->footer(
      "Everything is kept in the state folder; a second run keeps mail, user and configuration.\n"
      "Ctrl-C or SIGTERM finishes the sessions and stops; a second one kills.\n"
      "\n"
      "Examples:\n"
      "  postern up\n"
      "  postern up --state ./try --port-base 3000 --listen ::1");
  up->add_option("--state", options->state, "Folder for mail, keys, configuration and logs")
      ->type_name("DIR")
      ->capture_default_str();
  up->add_option("--port-base", options->demo.port_base,
                 "Added to the well-known ports: N+25, N+587, N+465, N+110, N+995, N+143, N+993")
      ->check(CLI::Range(0, static_cast<int>(kPortBaseMax)))
      ->type_name("N")
      ->capture_default_str();
  up->add_option("--listen", options->demo.listen, "Address to listen on, IPv4 or IPv6")
      ->type_name("ADDR")
      ->capture_default_str();
  up->add_option("--bin-dir", options->bin_dir,
                 "Folder of postern-gateway, postern-pop3 and postern-imap; default: beside this "
                 "program")
      ->type_name("DIR");
  up->callback([&, options] { action = [&, options] { return run_up(globals, *options); }; });
}

}  // namespace postern::cli

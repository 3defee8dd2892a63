// postern domain add|list|delete
#include <fmt/format.h>
#include <memory>

#include "deploy/cli/commands.hpp"
#include "deploy/cli/output.hpp"

namespace postern::cli {
namespace {

using store::rpc::BlockingClient;

int list_domains(const Globals& globals) {
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    const auto domains = client.domain_list();
    if (!domains) return std::unexpected(domains.error());
    if (globals.json) {
      print_json(*domains);
      return {};
    }
    if (domains->empty()) fmt::print("no domains; add one with: postern domain add DOMAIN\n");
    for (const std::string& domain : *domains) fmt::print("{}\n", harmless(domain));
    return {};
  });
}

int change_domain(const Globals& globals, const std::string& domain, bool add) {
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    if (auto done = add ? client.domain_add(domain) : client.domain_delete(domain); !done) {
      return done;
    }
    if (globals.json) {
      print_json({{"domain", domain}, {"done", add ? "added" : "deleted"}});
    } else {
      fmt::print("domain {} {}\n", harmless(domain), add ? "added" : "deleted");
    }
    return {};
  });
}

}  // namespace

void add_domain_commands(CLI::App& app, const Globals& globals, Action& action) {
  CLI::App* domain = app.add_subcommand("domain", "Local domains: mail for them is kept here");
  domain->require_subcommand(1);
  domain->footer("Examples:\n  postern domain add example.org\n  postern domain list --json");

  CLI::App* list = domain->add_subcommand("list", "Show all local domains");
  list->callback([&] { action = [&] { return list_domains(globals); }; });

  const auto name = std::make_shared<std::string>();
  CLI::App* add = domain->add_subcommand("add", "Make a domain local");
  add->add_option("domain", *name, "As in example.org")->required()->type_name("DOMAIN");
  add->callback([&, name] { action = [&, name] { return change_domain(globals, *name, true); }; });

  CLI::App* remove = domain->add_subcommand("delete", "Remove a domain that has no users left");
  remove->add_option("domain", *name, "As in example.org")->required()->type_name("DOMAIN");
  remove->callback(
      [&, name] { action = [&, name] { return change_domain(globals, *name, false); }; });
}

}  // namespace postern::cli

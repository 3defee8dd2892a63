// postern config check|show
#include <cstdio>
#include <fmt/format.h>
#include <sstream>
#include <toml++/toml.h>

#include "deploy/cli/commands.hpp"
#include "deploy/cli/output.hpp"
#include "store/config/load.hpp"

namespace postern::cli {
namespace {

std::string shown_name(const std::string& path) {
  return path.empty() ? "the defaults (no configuration file)" : path;
}

nlohmann::json to_json(const config::ConfigProblem& problem) {
  return {{"file", problem.file}, {"line", problem.line}, {"column", problem.column},
          {"key", problem.key},   {"what", problem.what}, {"remedy", problem.remedy}};
}

int check_config(const Globals& globals) {
  const std::string path = effective_config_path(globals);
  const auto loaded = config::load(path);
  std::vector<config::ConfigProblem> problems;
  std::vector<std::string> machine;
  std::vector<std::string> warnings;
  if (loaded) {
    machine = config::machine_problems(*loaded);
    warnings = config::warnings(*loaded);
  } else {
    problems = loaded.error();
  }
  const bool fine = problems.empty() && machine.empty();
  if (globals.json) {
    auto rows = nlohmann::json::array();
    for (const auto& problem : problems) rows.push_back(to_json(problem));
    print_json({{"file", path},
                {"ok", fine},
                {"problems", rows},
                {"machine_problems", machine},
                {"warnings", warnings}});
    return fine ? kOk : kBadConfig;
  }
  fmt::print(stderr, "{}", config::describe(problems));
  for (const std::string& sentence : machine) {
    fmt::print(stderr, "{}: {}\n", shown_name(path), sentence);
  }
  for (const std::string& sentence : warnings) {
    fmt::print(stderr, "{}: warning: {}\n", shown_name(path), sentence);
  }
  const std::size_t count = problems.size() + machine.size();
  if (fine) {
    fmt::print("{}: fine\n", shown_name(path));
  } else {
    fmt::print(stderr, "{}: {} problem{}\n", shown_name(path), count, count == 1 ? "" : "s");
  }
  return fine ? kOk : kBadConfig;
}

int show_config(const Globals& globals) {
  const auto settings = load_settings(globals);
  if (!settings) return settings.error();
  const std::string text = config::dump(*settings);
  if (!globals.json) {
    fmt::print("{}", text);
    return kOk;
  }
  std::ostringstream json;
  json << toml::json_formatter(toml::parse(text));  // dump() writes TOML: this cannot fail
  print_json(nlohmann::json::parse(json.str()));
  return kOk;
}

}  // namespace

void add_config_commands(CLI::App& app, const Globals& globals, Action& action) {
  CLI::App* config = app.add_subcommand("config", "The configuration file");
  config->require_subcommand(1);
  config->footer(
      "Examples:\n"
      "  postern config check --config /etc/postern/postern.toml\n"
      "  postern config show --config postern.toml    every setting with its present value\n"
      "  postern config show > postern.toml           a commented file to start from");
  config->add_subcommand("check", "Name every problem with file, line and remedy")->callback([&] {
    action = [&] { return check_config(globals); };
  });
  config->add_subcommand("show", "Print the effective configuration, commented")->callback([&] {
    action = [&] { return show_config(globals); };
  });
}

}  // namespace postern::cli

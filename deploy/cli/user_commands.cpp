// postern user add|list|passwd|set|send-as|delete
#include <charconv>
#include <chrono>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <optional>
#include <string_view>

#include "deploy/cli/commands.hpp"
#include "deploy/cli/output.hpp"
#include "deploy/cli/password.hpp"
#include "runtime/config/units.hpp"

namespace postern::cli {
namespace {

using store::rpc::BlockingClient;

struct UserOptions {
  std::string name;
  std::string password_file;
  bool no_password = false;
  std::vector<std::string> aliases;
  std::string address;  ///< of send-as
  bool revoke = false;
  std::string keep_days;
  std::string delete_after_retrieval;
  std::string quota;
};
using UserOptionsPtr = std::shared_ptr<UserOptions>;

void print_done(const Globals& globals, const std::string& user, std::string_view done,
                std::string_view sentence) {
  if (globals.json) {
    print_json({{"user", user}, {"done", done}});
  } else {
    fmt::print("{}\n", sentence);
  }
}

std::string shown_keep(const store::AccountSettings& settings) {
  if (!settings.keep) return "default";
  if (settings.keep->count() == 0) return "never";
  return fmt::format("{}", std::chrono::floor<std::chrono::days>(*settings.keep).count());
}

std::string shown_delete_after_retrieval(const store::AccountSettings& settings) {
  if (!settings.delete_after_retrieval) return "default";
  return *settings.delete_after_retrieval ? "yes" : "no";
}

// The account's own quota, in a form that "--quota" takes.
std::string shown_quota(const store::AccountSettings& settings) {
  if (!settings.quota_octets) return "default";
  if (*settings.quota_octets == 0) return "unlimited";
  return config::format_quantity(*settings.quota_octets, config::Unit::octets);
}

// What holds, wherever it comes from.
std::string shown_limit(const store::rpc::UserEntry& user) {
  const std::string limit = user.quota_octets == 0
                                ? "unlimited"
                                : config::format_quantity(user.quota_octets, config::Unit::octets);
  return user.settings.quota_octets ? limit : limit + " (default)";
}

std::string shown_use(const store::rpc::UserEntry& user) {
  std::string use = readable_size(user.used_octets);
  if (user.quota_octets != 0)
    use += fmt::format(", {} %", user.used_octets * 100 / user.quota_octets);
  return use;
}

int list_users(const Globals& globals) {
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    const auto users = client.user_list();
    if (!users) return std::unexpected(users.error());
    if (globals.json) {
      auto rows = nlohmann::json::array();
      for (const auto& user : *users) {
        rows.push_back(
            {{"name", user.name},
             {"aliases", user.aliases},
             {"send_as", user.send_as},
             {"has_password", user.has_password},
             {"used_octets", user.used_octets},
             {"quota_octets",
              user.quota_octets == 0 ? nlohmann::json(nullptr) : nlohmann::json(user.quota_octets)},
             {"quota", shown_quota(user.settings)},
             {"keep_days", shown_keep(user.settings)},
             {"delete_after_retrieval", shown_delete_after_retrieval(user.settings)}});
      }
      print_json(rows);
      return {};
    }
    if (users->empty()) {
      fmt::print("no users; add one with: postern user add NAME@DOMAIN\n");
      return {};
    }
    const auto joined = [](const std::vector<std::string>& addresses) {
      return addresses.empty() ? "-" : fmt::format("{}", fmt::join(addresses, " "));
    };
    Table table({"USER", "PASSWORD", "USED", "QUOTA", "KEEP DAYS", "DELETE RETRIEVED", "ALIASES",
                 "SENDS AS"});
    for (const auto& user : *users) {
      table.add({user.name, user.has_password ? "set" : "none", shown_use(user), shown_limit(user),
                 shown_keep(user.settings), shown_delete_after_retrieval(user.settings),
                 joined(user.aliases), joined(user.send_as)});
    }
    fmt::print("{}", table.text());
    return {};
  });
}

int add_user(const Globals& globals, const UserOptions& options) {
  // The gateway is asked first: nobody types a password twice to hear that it is not there.
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    std::string password;
    if (!options.no_password) {
      auto read = read_password(options.password_file, options.name);
      if (!read) return std::unexpected(read.error());
      password = std::move(*read);
    }
    if (auto done = client.user_add(options.name, std::move(password), options.aliases); !done) {
      return done;
    }
    print_done(globals, options.name, "added",
               fmt::format("user {} added", harmless(options.name)));
    return {};
  });
}

int set_password(const Globals& globals, const UserOptions& options) {
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    auto password = read_password(options.password_file, options.name);
    if (!password) return std::unexpected(password.error());
    if (auto done = client.user_password(options.name, std::move(*password)); !done) return done;
    print_done(globals, options.name, "password set",
               fmt::format("password of {} set", harmless(options.name)));
    return {};
  });
}

int set_send_as(const Globals& globals, const UserOptions& options) {
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    if (auto done = client.user_send_as(options.name, options.address, !options.revoke); !done) {
      return done;
    }
    print_done(globals, options.name, options.revoke ? "revoked" : "granted",
               fmt::format("{} may {} as {}", harmless(options.name),
                           options.revoke ? "no longer send" : "send", harmless(options.address)));
    return {};
  });
}

// "2GiB" as in the configuration file, and "2G" for short. nullopt: no size, or none that a quota
// can have.
std::optional<std::uint64_t> parse_quota(const std::string& text) {
  const bool is_short = !text.empty() && std::string_view("KMGT").contains(text.back());
  const auto octets = config::parse_quantity(is_short ? text + "iB" : text, config::Unit::octets);
  return octets && *octets != 0 && store::valid_quota(*octets) ? octets : std::nullopt;
}

int set_user(const Globals& globals, const UserOptions& options) {
  using store::SettingAction;
  store::AccountSettingsChange change;
  if (!options.keep_days.empty()) {
    change.keep_action = options.keep_days == "default" ? SettingAction::reset : SettingAction::set;
    // The option's check has seen a number.
    if (options.keep_days != "default" && options.keep_days != "never")
      change.keep = std::chrono::days(std::stoi(options.keep_days));
  }
  if (!options.delete_after_retrieval.empty()) {
    change.delete_after_retrieval_action =
        options.delete_after_retrieval == "default" ? SettingAction::reset : SettingAction::set;
    change.delete_after_retrieval = options.delete_after_retrieval == "yes";
  }
  if (!options.quota.empty()) {
    change.quota_action = options.quota == "default" ? SettingAction::reset : SettingAction::set;
    change.quota_octets = parse_quota(options.quota).value_or(0);  // the option's check has seen it
  }
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    if (auto done = client.user_set(options.name, change); !done) return done;
    print_done(globals, options.name, "settings changed",
               fmt::format("settings of {} changed", harmless(options.name)));
    return {};
  });
}

/// Complains about what is no number of days and no word for one.
std::string check_keep_days(const std::string& text) {
  if (text == "default" || text == "never") return {};
  constexpr int kDaysMax = std::chrono::floor<std::chrono::days>(store::kKeepMax).count();
  int days = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, days);
  if (error == std::errc{} && stop == end && days >= 1 && days <= kDaysMax) return {};
  return fmt::format("give a number of days from 1 to {}, \"never\" or \"default\"", kDaysMax);
}

/// Complains about what is no quota and no word for one.
std::string check_quota(const std::string& text) {
  if (text == "default" || text == "unlimited" || parse_quota(text)) return {};
  return fmt::format("give a size from {} to {}, as in 500MiB or 2G, \"unlimited\" or \"default\"",
                     config::format_quantity(store::kQuotaOctetsMin, config::Unit::octets),
                     config::format_quantity(store::kQuotaOctetsMax, config::Unit::octets));
}

int delete_user(const Globals& globals, const UserOptions& options) {
  return with_gateway(globals, [&](BlockingClient& client) -> Result<void> {
    if (auto done = client.user_delete(options.name); !done) return done;
    print_done(globals, options.name, "deleted",
               fmt::format("user {} deleted", harmless(options.name)));
    return {};
  });
}

CLI::App* add_command(CLI::App* user, const char* name, const char* help,
                      const UserOptionsPtr& options) {
  CLI::App* command = user->add_subcommand(name, help);
  command->add_option("user", options->name, "Login name and address, as in alice@example.org")
      ->required()
      ->type_name("NAME@DOMAIN");
  return command;
}

CLI::Option* add_password_file(CLI::App* command, const UserOptionsPtr& options) {
  return command
      ->add_option("--password-file", options->password_file,
                   "Read the password from the first line of FILE, \"-\" is standard input; "
                   "default: ask for it")
      ->type_name("FILE");
}

}  // namespace

void add_user_commands(CLI::App& app, const Globals& globals, Action& action) {
  const auto options = std::make_shared<UserOptions>();
  CLI::App* user = app.add_subcommand("user", "People with a mailbox here");
  user->require_subcommand(1);
  user->footer(
      "Examples:\n"
      "  postern user add alice@example.org --alias sales@example.org\n"
      "  postern user set alice@example.org --keep-days 30 --delete-after-retrieval no\n"
      "  postern user set alice@example.org --quota 2G\n"
      "  postern user add bob@example.org --password-file bob.secret\n"
      "  postern user send-as alice@example.org press@example.org\n"
      "  printf '%s\\n' \"$SECRET\" | postern user passwd alice@example.org\n"
      "A password never stands on the command line: other users of the machine could read it "
      "there.");

  CLI::App* list = user->add_subcommand("list", "Show all users");
  list->callback([&] { action = [&] { return list_users(globals); }; });

  CLI::App* add = add_command(user, "add", "Create a user with an empty mailbox", options);
  add->add_option("--alias", options->aliases, "A further address; may be given several times")
      ->type_name("ADDRESS")
      ->expected(1)
      ->take_all();
  CLI::Option* file = add_password_file(add, options);
  add->add_flag("--no-password", options->no_password, "Receives mail; no password logs in")
      ->excludes(file);
  add->callback([&, options] { action = [&, options] { return add_user(globals, *options); }; });

  CLI::App* passwd = add_command(user, "passwd", "Set a user's password", options);
  add_password_file(passwd, options);
  passwd->callback(
      [&, options] { action = [&, options] { return set_password(globals, *options); }; });

  CLI::App* send_as = add_command(
      user, "send-as", "Let a user send as an address that is not the user's own", options);
  send_as
      ->add_option("address", options->address,
                   "The address, or @DOMAIN for every address of a domain; it may be anywhere")
      ->required()
      ->type_name("ADDRESS");
  send_as->add_flag("--revoke", options->revoke, "Take the grant away");
  send_as->callback(
      [&, options] { action = [&, options] { return set_send_as(globals, *options); }; });

  CLI::App* set = add_command(
      user, "set", "Change what holds for one user's mailbox; the rest stays as it is", options);
  auto* what = set->add_option_group("settings");
  what->add_option("--keep-days", options->keep_days,
                   "Delete messages that are older; \"never\"; \"default\" as [mailbox] says")
      ->type_name("DAYS")
      ->check(check_keep_days);
  what->add_option("--delete-after-retrieval", options->delete_after_retrieval,
                   "POP3: QUIT removes what RETR has sent; \"default\" as [pop3] says")
      ->type_name("yes|no|default")
      ->check(CLI::IsMember({"yes", "no", "default"}));
  what->add_option("--quota", options->quota,
                   "What the mailbox may hold, as in 500MiB or 2G; \"unlimited\"; \"default\" as "
                   "[mailbox] says")
      ->type_name("SIZE")
      ->check(check_quota);
  what->require_option(1, 0);
  set->callback([&, options] { action = [&, options] { return set_user(globals, *options); }; });

  CLI::App* remove =
      add_command(user, "delete", "Remove a user: the mailbox is gone, without asking", options);
  remove->callback(
      [&, options] { action = [&, options] { return delete_user(globals, *options); }; });
}

}  // namespace postern::cli

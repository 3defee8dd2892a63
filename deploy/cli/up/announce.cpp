#include "deploy/cli/up/announce.hpp"

#include <fmt/format.h>

#include "deploy/cli/output.hpp"
#include "deploy/cli/up/demo_config.hpp"
#include "runtime/config/endpoint.hpp"
#include "store/config/load.hpp"

namespace postern::cli::up {
namespace {

using config::ListenerSettings;
using config::SmtpListenerSettings;
using config::TlsMode;
using Role = SmtpListenerSettings::Role;

/// Where a client on this machine reaches a listener.
struct Target {
  std::string host;  ///< as in a URL: IPv6 in brackets
  std::uint16_t port = 0;
};

Target target_of(const ListenerSettings& listener) {
  const auto endpoint = config::parse_endpoint(listener.addresses.front());
  std::string host = endpoint->address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  return {endpoint->is_ipv6 ? "[" + host + "]" : host, endpoint->port};
}

template <class Listener, class Predicate>
const Listener* first(const std::vector<Listener>& listeners, Predicate&& fits) {
  for (const Listener& listener : listeners) {
    if (fits(listener)) return &listener;
  }
  return nullptr;
}

bool is_implicit(const ListenerSettings& listener) { return listener.tls == TlsMode::implicit; }

std::string_view tls_text(TlsMode mode) {
  switch (mode) {
    case TlsMode::none:
      return "no TLS";
    case TlsMode::starttls:
      return "STARTTLS offered";
    case TlsMode::required:
      return "STARTTLS required";
    case TlsMode::implicit:
      break;
  }
  return "TLS from the start";
}

/// Calls `visit(protocol, listener, purpose)` for every listener.
template <class Visit>
void each_listener(const config::Settings& s, Visit&& visit) {
  for (const auto& listener : s.gateway.listeners) {
    visit("SMTP", listener,
          listener.role == Role::relay ? "mail for local domains, from anyone"
                                       : "mail to anyone, after login");
  }
  for (const auto& listener : s.pop3.listeners) visit("POP3", listener, "read mail, after login");
  for (const auto& listener : s.imap.listeners) visit("IMAP", listener, "read mail, after login");
}

/// Words for a shell: quoted if it needs to be.
std::string shell_word(const std::string& word) {
  const bool plain = word.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789-_./:@%+=,[]") == word.npos;
  if (plain && !word.empty()) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string send_commands(const Announcement& facts, const std::string& trust,
                          const std::string& login) {
  const auto& listeners = facts.settings.gateway.listeners;
  std::string out;
  const auto* relay =
      first(listeners, [](const auto& l) { return l.role == Role::relay && !is_implicit(l); });
  const auto* submission =
      first(listeners, [](const auto& l) { return l.role == Role::submission && !is_implicit(l); });
  const auto* implicit =
      first(listeners, [](const auto& l) { return l.role == Role::submission && is_implicit(l); });
  const auto swaks = [&](const ListenerSettings& listener, std::string_view from) {
    const Target target = target_of(listener);
    return fmt::format("swaks --server {}:{} --from {} --to {}", target.host, target.port, from,
                       kDemoUser);
  };
  const std::string swaks_login =
      fmt::format("--auth PLAIN --auth-user {} --auth-password \"$(cat {})\"", kDemoUser,
                  shell_word(facts.password_file));
  if (relay != nullptr) {
    out += fmt::format("\nSend a mail as another server would (no login):\n  {}\n",
                       swaks(*relay, "friend@example.org"));
  }
  if (submission != nullptr) {
    const std::string verify =
        facts.authority.empty()
            ? ""
            : fmt::format(" --tls-verify --tls-ca-path {}", shell_word(facts.authority));
    out += fmt::format(
        "\nSend a mail as the user (submission with STARTTLS):\n  {} \\\n    --tls{} \\\n    {}\n",
        swaks(*submission, kDemoUser), verify, swaks_login);
  }
  if (implicit != nullptr) {
    const Target target = target_of(*implicit);
    out += fmt::format(
        "\nThe same with curl (implicit TLS):\n"
        "  printf 'From: {0}\\r\\nTo: {0}\\r\\nSubject: Hello\\r\\n\\r\\nHello from curl.\\r\\n' "
        "|\\\n"
        "    curl -sS {1}--url smtps://{2}:{3} {4} \\\n"
        "    --mail-from {0} --mail-rcpt {0} --upload-file -\n",
        kDemoUser, trust, target.host, target.port, login);
  }
  return out;
}

std::string read_commands(const Announcement& facts, const std::string& trust,
                          const std::string& login) {
  std::string out;
  const auto command = [&](const ListenerSettings& listener, const char* scheme, const char* path) {
    const Target target = target_of(listener);
    const bool implicit = is_implicit(listener);
    out += fmt::format("  curl -sS {}{} '{}{}://{}:{}/{}'{}\n", trust, login, scheme,
                       implicit ? "s" : "", target.host, target.port, path,
                       implicit ? "" : " --ssl-reqd");
  };
  const auto& imap = facts.settings.imap.listeners;
  const auto& pop3 = facts.settings.pop3.listeners;
  const auto* by_imap = first(imap, is_implicit);
  const auto* by_pop3 = first(pop3, is_implicit);
  if (by_imap == nullptr && !imap.empty()) by_imap = &imap.front();
  if (by_pop3 == nullptr && !pop3.empty()) by_pop3 = &pop3.front();
  out += "\nRead the first mail by IMAP, then by POP3:\n";
  if (by_imap != nullptr) command(*by_imap, "imap", "INBOX;MAILINDEX=1");
  if (by_pop3 != nullptr) command(*by_pop3, "pop3", "1");
  return out;
}

}  // namespace

std::string announcement_text(const Announcement& facts) {
  Table table({"PROTOCOL", "ADDRESS", "TLS", "FOR"});
  each_listener(facts.settings,
                [&](const char* protocol, const ListenerSettings& listener, const char* purpose) {
                  for (const std::string& address : listener.addresses) {
                    table.add({protocol, address, std::string(tls_text(listener.tls)), purpose});
                  }
                });
  const std::string trust =
      facts.authority.empty() ? "" : fmt::format("--cacert {} ", shell_word(facts.authority));
  const std::string login =
      fmt::format("--user \"{}:$(cat {})\"", kDemoUser, shell_word(facts.password_file));
  std::string out = "Postern is running.\n\n" + table.text();
  out += fmt::format("\nUser {}, password in {}\n", kDemoUser, facts.password_file);
  out += fmt::format("Mail, configuration and logs are in {}\n", facts.state_path);
  out += send_commands(facts, trust, login);
  out += read_commands(facts, trust, login);
  const std::string call =
      fmt::format("{} --config {}", shell_word(facts.program), shell_word(facts.config_file));
  out += fmt::format("\nAdminister it:\n  {} user list\n  {} queue list\n", call, call);
  out += "\nCtrl-C stops everything; the mail stays.\n";
  return out;
}

nlohmann::json announcement_json(const Announcement& facts) {
  auto listeners = nlohmann::json::array();
  each_listener(facts.settings,
                [&](const char* protocol, const ListenerSettings& listener, const char*) {
                  listeners.push_back({{"protocol", protocol},
                                       {"name", listener.name},
                                       {"addresses", listener.addresses},
                                       {"tls", config::word_of(listener.tls)}});
                });
  return {{"state", facts.state_path},
          {"config", facts.config_file},
          {"authority", facts.authority},
          {"user", kDemoUser},
          {"password_file", facts.password_file},
          {"listeners", listeners}};
}

}  // namespace postern::cli::up

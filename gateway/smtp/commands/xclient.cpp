#include <array>
#include <optional>
#include <string>
#include <utility>

#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/hello_name.hpp"
#include "gateway/smtp/syntax/parameters.hpp"
#include "gateway/smtp/syntax/path.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

using text::equal_folded;

/// What the proxy says of its client, checked and not in force yet.
struct Claims {
  PeerFacts peer;
  std::string hello_name;
  std::string login;
};

bool is_unavailable(std::string_view value) noexcept {
  return equal_folded(value, "[UNAVAILABLE]") || equal_folded(value, "[TEMPUNAVAIL]");
}

// "192.0.2.1" or "IPV6:2001:db8::1": the same as in an address literal.
bool take_address(const std::string& value, std::string& into, bool* is_ipv6) {
  if (!is_address_literal("[" + value + "]")) return false;
  const bool ipv6 = text::starts_folded(value, "IPv6:");
  into = ipv6 ? value.substr(5) : value;
  if (is_ipv6 != nullptr) *is_ipv6 = ipv6;
  return true;
}

bool take_port(const std::string& value, std::uint16_t& into) {
  const auto port = text::parse_number(value);
  if (!port || *port > 65535) return false;
  into = static_cast<std::uint16_t>(*port);
  return true;
}

// One attribute; false: it is none. A value that the proxy does not have leaves what is known.
bool take(std::string_view name, const std::string& value, Claims& claims) {
  const bool unavailable = is_unavailable(value);
  if (equal_folded(name, "ADDR")) {
    return unavailable || take_address(value, claims.peer.address, &claims.peer.is_ipv6);
  }
  if (equal_folded(name, "PORT")) return unavailable || take_port(value, claims.peer.port);
  if (equal_folded(name, "DESTADDR")) {
    return unavailable || take_address(value, claims.peer.local_address, nullptr);
  }
  if (equal_folded(name, "DESTPORT")) {
    return unavailable || take_port(value, claims.peer.local_port);
  }
  if (equal_folded(name, "HELO")) {
    if (!unavailable) claims.hello_name = value;
    return unavailable || is_hello_name(value);
  }
  if (equal_folded(name, "LOGIN")) {
    if (!unavailable) claims.login = value;
    return true;
  }
  // Names are looked up by nobody here, and the protocol is what the client's EHLO shows.
  return equal_folded(name, "NAME") || equal_folded(name, "PROTO");
}

}  // namespace

// A proxy in a trusted network says for whom it speaks. The session begins anew with that client:
// nothing that was said before holds, nobody pays for another's mistakes, and the listener judges
// him as if he had connected himself. The form is the one that other mail servers' proxies use.
void run_xclient(Conversation& conversation, const CommandCall& call) {
  if (!conversation.xclient_allowed) return conversation.protocol_error(Reply::unknown_command);
  Claims claims{.peer = conversation.peer, .hello_name = {}, .login = {}};
  const std::string attributes = " " + std::string(call.arguments);
  ParameterList list(attributes);
  bool any = false;
  while (const std::optional<Parameter> attribute = list.next()) {
    const std::optional<std::string> value = decode_xtext(attribute->value);
    if (!attribute->has_value || !value || !take(attribute->keyword, *value, claims)) {
      return conversation.protocol_error(Reply::bad_arguments);
    }
    any = true;
  }
  if (!any || list.failed()) return conversation.protocol_error(Reply::bad_arguments);
  const store::Account* account = nullptr;
  if (!claims.login.empty()) {
    account = conversation.services.directory->find_login(claims.login);
    if (account == nullptr) return conversation.logon_failure(Reply::bad_credentials);
    if (!conversation.profile->access.admits(account->name)) {  // SMTP-15
      return conversation.end_with(Reply::refused_binding, EndReason::refused);
    }
  }
  claims.peer.proxy =
      conversation.peer.proxy.empty() ? conversation.peer.address : conversation.peer.proxy;
  claims.peer.trusted = false;  // the proxy is; its client is a stranger
  if (ClientGate* const gate = conversation.services.clients; gate != nullptr) {
    if (const std::optional<Refusal> why = gate->admit(claims.peer)) {
      return conversation.refuse(*why);
    }
  }
  conversation.forget_client();
  conversation.counters.protocol_errors = 0;
  conversation.counters.logon_failures = 0;
  conversation.peer = std::move(claims.peer);
  if (SmtpPolicy* const policy = conversation.services.policy; policy != nullptr) {
    policy->set_peer(conversation.peer);
  }
  conversation.hello_name = std::move(claims.hello_name);
  if (account != nullptr) conversation.identity = account->name;
  conversation.send(conversation.profile->greeting);
}

}  // namespace postern::smtp

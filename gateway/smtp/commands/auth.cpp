#include <algorithm>
#include <utility>
#include <variant>

#include "gateway/smtp/command_table.hpp"
#include "gateway/smtp/commands/commands.hpp"
#include "gateway/smtp/syntax/text.hpp"
#include "store/sasl/base64.hpp"
#include "store/sasl/external.hpp"

namespace postern::smtp {

namespace {

// RFC 4422 3.1: 1 to 20 letters, digits, '-' and '_'. Small letters are accepted.
bool is_mechanism_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 20 && std::ranges::all_of(name, [](char c) {
    return text::is_alpha(c) || text::is_digit(c) || c == '-' || c == '_';
  });
}

void continue_with(Conversation& conversation, sasl::Challenge challenge) {
  conversation.mode = InputMode::auth_response;
  conversation.send("334 ");
  conversation.send(sasl::encode_base64(challenge.octets));
  conversation.send("\r\n");
}

void continue_with(Conversation& conversation, sasl::Verify verify) {
  conversation.end_auth_exchange();
  conversation.claimed_user = verify.user;
  conversation.wait = Wait::verify;
  conversation.request =
      VerifyRequest{.user = std::move(verify.user), .password = std::move(verify.password)};
}

void continue_with(Conversation& conversation, sasl::Failure failure) {
  conversation.end_auth_exchange();
  if (failure.reason == sasl::Failure::Reason::not_authorized) {
    conversation.services.observer->on_auth(conversation.mechanism_name, {}, AuthEvent::failed);
    conversation.logon_failure(Reply::bad_credentials);
  } else {
    conversation.protocol_error(Reply::auth_bad_message);
  }
}

void continue_with(Conversation& conversation, const sasl::Vouched& vouched) {
  conversation.end_auth_exchange();
  const store::Directory& directory = *conversation.services.directory;
  const std::string& name = conversation.tls->client_name;
  const store::Account* const account = directory.find_login(name);
  const bool itself =
      vouched.authorize_as.empty() || directory.find_login(vouched.authorize_as) == account;
  if (account == nullptr || !itself) {
    conversation.services.observer->on_auth(conversation.mechanism_name, name, AuthEvent::failed);
    return conversation.logon_failure(Reply::bad_credentials);
  }
  conversation.log_in(account->name);
}

// EXTERNAL is there for clients that have shown a certificate which names somebody.
std::unique_ptr<sasl::Mechanism> make_mechanism(const Conversation& conversation,
                                                std::string_view name) {
  if (!text::equal_folded(name, "EXTERNAL")) {
    return conversation.profile->access.offers(name) ? sasl::make_mechanism(name) : nullptr;
  }
  const bool named = conversation.tls && !conversation.tls->client_name.empty();
  return named ? std::make_unique<sasl::External>() : nullptr;
}

void take_step(Conversation& conversation, sasl::Step step) {
  std::visit([&](auto& next) { continue_with(conversation, std::move(next)); }, step);
}

}  // namespace

void run_auth(Conversation& conversation, const CommandCall& call) {
  if (!conversation.profile->auth) return conversation.protocol_error(Reply::not_implemented);
  if (conversation.authenticated()) return conversation.protocol_error(Reply::auth_done);
  const std::size_t space = std::min(call.arguments.find(' '), call.arguments.size());
  const std::string_view name = call.arguments.substr(0, space);
  std::string_view initial = call.arguments.substr(space);
  initial.remove_prefix(std::min(initial.find_first_not_of(' '), initial.size()));
  if (!is_mechanism_name(name) || initial.find(' ') != std::string_view::npos) {
    return conversation.protocol_error(Reply::auth_bad_mechanism_name);
  }
  std::unique_ptr<sasl::Mechanism> mechanism = make_mechanism(conversation, name);
  if (!mechanism) return conversation.protocol_error(Reply::auth_unknown_mechanism);
  // Every mechanism there is sends the password itself (RFC 4954 section 4: 538).
  if (!conversation.profile->auth_allowed(conversation.tls.has_value())) {
    return conversation.protocol_error(Reply::auth_needs_tls);
  }
  conversation.mechanism = std::move(mechanism);
  conversation.mechanism_name.assign(name);

  if (initial.empty()) {
    if (conversation.mechanism->client_first()) {
      // MS-OXSMTP 2.2.1 in place of the empty challenge (SMTP-03), the name as the client wrote it.
      conversation.mechanism->start(std::nullopt);
      conversation.mode = InputMode::auth_response;
      conversation.send("334 ");
      conversation.send(name);
      conversation.send(" supported\r\n");
    } else {
      take_step(conversation, conversation.mechanism->start(std::nullopt));
    }
    return;
  }
  // RFC 4954 section 4: "=" is an initial response of no octets.
  const auto decoded =
      initial == "=" ? std::optional<std::string>(std::string()) : sasl::decode_base64(initial);
  if (!decoded) {
    conversation.end_auth_exchange();
    return conversation.protocol_error(Reply::auth_bad_base64);
  }
  take_step(conversation, conversation.mechanism->start(std::string_view(*decoded)));
}

void run_auth_response(Conversation& conversation, const CommandCall& call) {
  if (call.arguments == "*") {
    conversation.end_auth_exchange();
    return conversation.reply(Reply::auth_cancelled);
  }
  const std::optional<std::string> decoded = sasl::decode_base64(call.arguments);
  if (!decoded) {
    conversation.end_auth_exchange();
    return conversation.protocol_error(Reply::auth_bad_base64);
  }
  take_step(conversation, conversation.mechanism->respond(*decoded));
}

}  // namespace postern::smtp

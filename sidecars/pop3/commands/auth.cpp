// AUTH (RFC 5034). The mechanisms themselves are in store/sasl.
#include <string>
#include <utility>
#include <variant>

#include "sidecars/pop3/session.hpp"
#include "store/sasl/base64.hpp"

namespace postern::pop3 {

void Pop3Session::command_auth(const CommandLine& line, Now now) {
  if (!plaintext_permitted()) {
    reply_error("login needs TLS: use STLS first");
    return;
  }
  if (line.argument_count == 0) {
    // Not in RFC 5034, but Outlook asks this way what there is.
    reply_ok("mechanisms follow");
    for (const char c : kSaslMechanisms) send(c == ' ' ? "\r\n" : std::string_view(&c, 1));
    send("\r\n.\r\n");
    return;
  }
  sasl_exchange_ = sasl::make_mechanism(line.arguments[0]);
  if (!sasl_exchange_) {
    reply_error("mechanism not supported");
    return;
  }
  if (line.argument_count == 1) {
    take_sasl_step(sasl_exchange_->start(std::nullopt), now);
    return;
  }
  // "=" stands for an initial response of no octets.
  const std::string_view encoded = line.arguments[1];
  const auto initial = sasl::decode_base64(encoded == "=" ? std::string_view{} : encoded);
  if (initial) {
    take_sasl_step(sasl_exchange_->start(*initial), now);
  } else {
    sasl_exchange_.reset();
    reply_error("the initial response is not base64");
  }
}

// A line inside an exchange: the response to the last challenge.
void Pop3Session::handle_sasl_line(std::string_view line, Now now) {
  if (line == "*") {
    sasl_exchange_.reset();
    reply_error("authentication cancelled");
    return;
  }
  const auto response = sasl::decode_base64(line);
  if (response) {
    take_sasl_step(sasl_exchange_->respond(*response), now);
  } else {
    sasl_exchange_.reset();
    reply_error("the response is not base64");
  }
}

void Pop3Session::take_sasl_step(sasl::Step step, Now now) {
  if (const auto* challenge = std::get_if<sasl::Challenge>(&step)) {
    send("+ ");
    send(sasl::encode_base64(challenge->octets));
    send("\r\n");
    return;
  }
  const auto exchange = std::move(sasl_exchange_);
  if (auto* verify = std::get_if<sasl::Verify>(&step)) {
    begin_login(std::move(verify->user), std::move(verify->password), exchange->name());
  } else if (std::get<sasl::Failure>(step).reason == sasl::Failure::Reason::malformed) {
    reply_error("malformed authentication response");
  } else {
    // To act as somebody else is refused in the words of a wrong password, and counts like one.
    user_.clear();
    mechanism_ = exchange->name();
    login_failed(now);
  }
}

}  // namespace postern::pop3

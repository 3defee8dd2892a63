// AUTHENTICATE (RFC 3501 6.2.2) with initial responses (RFC 4959).
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/login_attempt.hpp"
#include "store/sasl/base64.hpp"
#include "store/sasl/mechanism.hpp"

namespace postern::imap {
namespace {

class Authenticate final : public Command {
 public:
  Authenticate(std::unique_ptr<sasl::Mechanism> mechanism, std::optional<std::string> initial)
      : mechanism_(std::move(mechanism)), initial_(std::move(initial)) {}

  Progress run(Context& context) override {
    if (attempt_.waits()) return attempt_.failed(context);
    if (!initial_) return take(context, mechanism_->start(std::nullopt));
    // RFC 4959 section 3: "=" is an initial response of no octets.
    const auto octets =
        *initial_ == "=" ? std::optional<std::string>("") : sasl::decode_base64(*initial_);
    initial_.reset();
    if (!octets) return context.bad("The initial response is not valid base64");
    return take(context, mechanism_->start(*octets));
  }

  Progress on_line(Context& context, std::string_view line) override {
    if (line == "*") return context.bad("AUTHENTICATE was cancelled");
    const auto octets = sasl::decode_base64(line);
    if (!octets) return context.bad("The response is not valid base64");
    return take(context, mechanism_->respond(*octets));
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    return attempt_.on_reply(context, std::get<sidecars::LoginReply>(std::move(reply)));
  }

 private:
  Progress take(Context& context, sasl::Step step) {
    if (const auto* const challenge = std::get_if<sasl::Challenge>(&step)) {
      context.out().append("+ ").append(sasl::encode_base64(challenge->octets)).append("\r\n");
      return Progress::line;
    }
    if (auto* const verify = std::get_if<sasl::Verify>(&step)) {
      return attempt_.begin(context, std::move(verify->user), std::move(verify->password),
                            mechanism_->name());
    }
    if (std::get<sasl::Failure>(step).reason == sasl::Failure::Reason::malformed) {
      return context.bad("The response does not have the mechanism's form");
    }
    return context.no("AUTHORIZATIONFAILED", "Acting as somebody else is not permitted");
  }

  std::unique_ptr<sasl::Mechanism> mechanism_;
  std::optional<std::string> initial_;
  LoginAttempt attempt_;
};

}  // namespace

Result<CommandPtr> parse_authenticate(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  const auto name = arguments.atom();
  if (!name) return std::unexpected(name.error());
  std::optional<std::string> initial;
  if (arguments.take(' ') && !arguments.at_end()) {
    const auto response = arguments.atom();
    if (!response) return std::unexpected(response.error());
    initial = *response;
  }
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  // Only what CAPABILITY names: the shared mechanisms know more than IMAP offers.
  if (!equals_ignoring_case(*name, "PLAIN")) {
    return make_immediate(
        [](Context& context) { return context.no("CANNOT", "The mechanism is not supported"); });
  }
  return std::make_unique<Authenticate>(sasl::make_mechanism("PLAIN"), std::move(initial));
}

}  // namespace postern::imap

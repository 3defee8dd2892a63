// LOGIN (RFC 3501 6.2.3).
#include <string>

#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/login_attempt.hpp"

namespace postern::imap {
namespace {

class Login final : public Command {
 public:
  Login(std::string user, std::string password)
      : user_(std::move(user)), password_(std::move(password)) {}

  Progress run(Context& context) override {
    if (attempt_.waits()) return attempt_.failed(context);
    return attempt_.begin(context, std::move(user_), std::move(password_), "LOGIN");
  }
  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    return attempt_.on_reply(context, std::get<sidecars::LoginReply>(std::move(reply)));
  }

 private:
  std::string user_;
  std::string password_;
  LoginAttempt attempt_;
};

}  // namespace

Result<CommandPtr> parse_login(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  auto user = arguments.astring();
  if (!user) return std::unexpected(user.error());
  if (parsed = arguments.space(); !parsed) return std::unexpected(parsed.error());
  auto password = arguments.astring();
  if (!password) return std::unexpected(password.error());
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  return std::make_unique<Login>(std::move(*user), std::move(*password));
}

}  // namespace postern::imap

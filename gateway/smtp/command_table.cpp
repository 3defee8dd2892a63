#include "gateway/smtp/command_table.hpp"

#include <array>
#include <cstdint>

#include "gateway/smtp/commands/commands.hpp"

namespace postern::smtp {

namespace {

// A verb of up to eight letters as one number, so that finding a command compares numbers. 0: not a
// verb.
constexpr std::uint64_t packed(std::string_view verb) noexcept {
  if (verb.size() > 8) return 0;
  std::uint64_t value = 0;
  for (const char c : verb) {
    const auto letter = static_cast<unsigned char>(c & 0xDF);  // ASCII capitals
    if (letter < 'A' || letter > 'Z') return 0;
    value = value << 8 | letter;
  }
  return value;
}

constexpr std::uint16_t kMessageFlags = kNeedsHello | kNeedsAuth;

// In the order of their frequency.
constexpr std::array kCommands = {
    Command{"RCPT", kMessageFlags | kBehindMail | kNotInChunking, run_rcpt},
    Command{"MAIL", kMessageFlags | kNotInChunking | kTransaction, run_mail},
    Command{"DATA", kMessageFlags | kBehindMail | kNotInChunking | kNoArguments | kEndsGroup,
            run_data},
    Command{"BDAT", kMessageFlags | kCarriesPayload, run_bdat},
    Command{"QUIT", kBeforeTls | kNoArguments | kEndsSession, run_quit},
    Command{"EHLO", kBeforeTls | kEndsGroup, run_ehlo},
    Command{"STARTTLS", kBeforeTls | kNeedsEhlo | kNoArguments, run_starttls},
    Command{"AUTH", kNeedsEhlo | kNotInTransaction | kEndsGroup, run_auth},
    Command{"RSET", kNoArguments, run_rset},
    Command{"NOOP", kBeforeTls | kEndsGroup, run_noop},
    Command{"HELO", kEndsGroup, run_helo},
    Command{"VRFY", kEndsGroup, run_vrfy},
    Command{"EXPN", kEndsGroup, run_expn},
    Command{"HELP", 0, run_help},
    Command{"XCLIENT", kBeforeTls | kNotInTransaction | kEndsGroup, run_xclient},
};

constexpr auto kKeys = [] {
  std::array<std::uint64_t, kCommands.size()> keys{};
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = packed(kCommands[i].verb);
  return keys;
}();

}  // namespace

const Command* find_command(std::string_view verb) noexcept {
  const std::uint64_t key = packed(verb);
  if (key == 0) return nullptr;
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    if (kKeys[i] == key) return &kCommands[i];
  }
  return nullptr;
}

std::optional<Reply> check_conditions(const Command& command, const Conversation& conversation,
                                      std::string_view arguments) noexcept {
  const auto has = [&](CommandFlags flag) { return (command.flags & flag) != 0; };
  const SmtpProfile& profile = *conversation.profile;
  if (profile.tls == config::TlsMode::required && !conversation.tls && !has(kBeforeTls)) {
    return Reply::needs_tls;
  }
  if (has(kNeedsHello) && conversation.hello == Hello::none) return Reply::needs_hello;
  if (has(kNeedsEhlo) && conversation.hello != Hello::ehlo) return Reply::needs_ehlo;
  if (has(kNeedsAuth) && profile.auth_required && !conversation.may_relay()) {
    return Reply::needs_auth;
  }
  if (has(kNotInTransaction) && conversation.transaction.open) return Reply::during_transaction;
  if (has(kNotInChunking) && conversation.transaction.chunking) return Reply::chunking_begun;
  if (has(kNoArguments) && !arguments.empty()) return Reply::no_arguments_allowed;
  return std::nullopt;
}

bool is_http_verb(std::string_view verb) noexcept {
  for (const std::string_view known :
       {"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "PRI"}) {
    if (verb == known) return true;
  }
  return false;
}

}  // namespace postern::smtp

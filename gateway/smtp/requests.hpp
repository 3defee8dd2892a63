// What an SMTP session asks of its driver, and what comes back. Plain values; the session is
// sans-IO.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "store/spool.hpp"

namespace postern::smtp {

/// Check a user name and password. Answer: SmtpSession::on_verified().
struct VerifyRequest {
  std::string user;
  std::string password;
};

/// Outcome of a verification. A wrong password and an unknown user cannot be told apart.
enum class VerifyOutcome : std::uint8_t { ok, bad_credentials, unavailable };
struct VerifyReply {
  VerifyOutcome outcome = VerifyOutcome::unavailable;
  std::string identity;  ///< canonical account name when ok
};

/// Hand SmtpSession::message() to the spool. Answer: SmtpSession::on_submitted(), with the
/// request's outcome set (the driver sets store_busy itself when submit() refuses). Used for whole
/// messages and, with `last == false`, for the leading chunks of a large one.
struct SubmitRequest {};

/// The message that was being streamed is given up: the driver takes it with release_message(),
/// submits it with `abandon` and frees it on completion. No answer: unconsumed input is offered
/// again at once.
struct AbandonRequest {};

using SmtpRequest = std::variant<VerifyRequest, SubmitRequest, AbandonRequest>;

}  // namespace postern::smtp

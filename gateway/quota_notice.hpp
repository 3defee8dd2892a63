// The mail that tells people that their mailbox is nearly full, or full (POP-19, RFC 1939 section
// 8).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/mailbox_quotas.hpp"
#include "store/quota_note.hpp"

namespace postern::gateway {

/// What a notice says. Views need to live during the call only.
struct QuotaNotice {
  std::string_view account;   ///< name, "user@domain"
  std::string_view hostname;  ///< of this server, for the Message-ID
  std::string_view id;        ///< the message's public id
  store::QuotaLevel level = store::QuotaLevel::near;
  store::QuotaUse use;  ///< with a limit
  std::int64_t unix_ms = 0;
};

/// The whole message with its Return-Path line, lines ending in CRLF. It comes from the postmaster
/// of the account's own domain and says that a program wrote it (RFC 3834 section 5). In UTF-8
/// where the account's name is not ASCII (RFC 6532).
std::string write_quota_notice(const QuotaNotice& notice);

}  // namespace postern::gateway

// Every fixed text that a session sends, in one table. The client is told what it can act on,
// blandly; the cause goes to the log through the observer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::smtp {

/// A reply. Its line is in replies.cpp, where the order is the same.
enum class Reply : std::uint8_t {
  // 2xx and 3xx
  bye,
  ready_for_tls,
  help,
  auth_ok,
  reset_ok,
  noop_ok,
  sender_ok,
  sender_ok_priority,  // argument: the priority that is given
  recipient_ok,
  cannot_verify,
  chunk_received,  // argument: octets
  queued,          // argument: the message's id
  start_data,
  // 421: the session ends
  timeout_inactive,
  timeout_total,
  too_many_protocol_errors,
  too_many_logon_failures,
  too_many_transactions,
  not_smtp,
  rate_exceeded,
  data_too_slow,
  shutting_down,
  refused_unavailable,
  refused_binding,
  refused_connections,
  refused_per_source,
  // 4xx
  refused_resources,
  busy,
  store_failed,
  duplicate_in_flight,
  too_many_recipients,
  recipient_rate_exceeded,
  octet_rate_exceeded,
  mailbox_full,
  tls_unavailable,
  auth_unavailable,
  // 5xx: syntax and order
  line_too_long,
  bad_line_end,
  bad_octet,
  unknown_command,
  no_hello_argument,
  bad_hello_argument,
  no_arguments_allowed,
  bad_arguments,
  bad_sender_syntax,
  bad_sender_address,
  bad_recipient_syntax,
  bad_recipient_address,
  bad_parameter,
  duplicate_parameter,
  unknown_parameter,
  needs_smtputf8,
  binary_needs_bdat,
  pipelining_violation,
  not_implemented,
  needs_hello,
  needs_ehlo,
  nested_mail,
  during_transaction,
  no_sender,
  no_recipients,
  chunking_begun,
  bad_chunk_size,
  tls_active,
  // 5xx: policy
  early_talker,
  needs_tls,
  needs_auth,
  auth_needs_tls,
  auth_done,
  auth_cancelled,
  auth_bad_base64,
  auth_bad_message,
  auth_bad_mechanism_name,
  auth_unknown_mechanism,
  bad_credentials,
  sender_not_owned,
  address_refused,
  relaying_denied,
  unknown_user,
  message_too_big,
  larger_than_mailbox,
  header_too_big,
  too_many_hops,
  local_loop,
  bare_newline,
  nul_octet,
  count_,
};

/// The whole line with CRLF; where it has an argument, a '%' stands for it. A reply of several
/// lines is several lines.
std::string_view line_of(Reply reply) noexcept;
/// 220, 550 ...
int code_of(Reply reply) noexcept;
/// Appends the reply's line(s), with `argument` in place of the '%'.
void append_reply(std::string& out, Reply reply, std::string_view argument = {});
/// The line without its CRLF, for observers. Static storage.
std::string_view text_of(Reply reply) noexcept;

}  // namespace postern::smtp

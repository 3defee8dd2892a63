#include "gateway/smtp/replies.hpp"

#include <array>
#include <utility>

namespace postern::smtp {

namespace {

struct Row {
  Reply reply;
  std::string_view line;
};

using enum Reply;

// Enhanced status codes (RFC 3463) are on every reply but 3xx, the greeting and the answers to EHLO
// and HELO, errors included (RFC 2034 section 3) (SMTP-23). A client that said HELO reads them as
// text.
constexpr std::array kRows = {
    Row{bye, "221 2.0.0 Bye\r\n"},
    Row{ready_for_tls, "220 2.0.0 Ready to start TLS\r\n"},
    Row{help,
        "214-2.0.0 Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP\r\n"
        "214-2.0.0 VRFY EXPN HELP QUIT STARTTLS AUTH\r\n"
        "214 2.0.0 See RFC 5321\r\n"},
    Row{auth_ok, "235 2.7.0 Authentication succeeded\r\n"},
    Row{reset_ok, "250 2.0.0 Reset\r\n"},
    Row{noop_ok, "250 2.0.0 OK\r\n"},
    Row{sender_ok, "250 2.1.0 Sender OK\r\n"},
    Row{sender_ok_priority, "250 2.3.6 Sender OK, priority is %\r\n"},
    Row{recipient_ok, "250 2.1.5 Recipient OK\r\n"},
    Row{cannot_verify, "252 2.5.2 Cannot verify, but will take mail for it and try\r\n"},
    Row{chunk_received, "250 2.0.0 % octets received\r\n"},
    Row{queued, "250 2.6.0 % queued\r\n"},
    Row{start_data, "354 End data with <CR><LF>.<CR><LF>\r\n"},

    Row{timeout_inactive, "421 4.4.2 Timeout, closing connection\r\n"},
    Row{timeout_total, "421 4.4.2 Connection lasted too long, closing it\r\n"},
    Row{too_many_protocol_errors, "421 4.7.0 Too many errors, closing connection\r\n"},
    Row{too_many_logon_failures, "421 4.7.0 Too many failed logons, closing connection\r\n"},
    Row{too_many_transactions,
        "421 4.7.0 Too many messages in one session, closing connection\r\n"},
    Row{not_smtp, "421 4.7.0 This is an SMTP server, closing connection\r\n"},
    Row{rate_exceeded, "421 4.4.2 Message submission rate exceeded, closing connection\r\n"},
    Row{data_too_slow, "421 4.4.2 Message comes too slowly, closing connection\r\n"},
    Row{shutting_down, "421 4.3.2 Service shutting down, try again later\r\n"},
    Row{refused_unavailable, "421 4.4.2 Service not available, try again later\r\n"},
    Row{refused_binding, "421 4.3.2 Service not available to you here\r\n"},
    Row{refused_connections, "421 4.3.2 Too many connections, try again later\r\n"},
    Row{refused_per_source, "421 4.3.2 Too many connections from your address\r\n"},

    Row{refused_resources, "452 4.3.1 Insufficient system resources, try again later\r\n"},
    Row{busy, "452 4.3.1 Insufficient system resources, try again later\r\n"},
    Row{store_failed, "451 4.3.0 Local error in processing, try again later\r\n"},
    Row{duplicate_in_flight, "451 4.3.0 The same message is being stored, try again later\r\n"},
    Row{too_many_recipients, "452 4.5.3 Too many recipients\r\n"},
    Row{recipient_rate_exceeded, "452 4.7.1 Recipient rate exceeded, try again later\r\n"},
    Row{octet_rate_exceeded, "452 4.7.1 Message volume exceeded, try again later\r\n"},
    Row{mailbox_full, "452 4.2.2 Mailbox full, try again later\r\n"},
    Row{tls_unavailable, "454 4.7.0 TLS not available\r\n"},
    Row{auth_unavailable, "454 4.7.0 Temporary authentication failure\r\n"},

    Row{line_too_long, "500 5.5.2 Line too long\r\n"},
    Row{bad_line_end, "500 5.5.2 Lines must end in <CR><LF>\r\n"},
    Row{bad_octet, "500 5.5.2 Control character in command\r\n"},
    Row{unknown_command, "500 5.5.1 Command not recognized\r\n"},
    Row{no_hello_argument, "501 Your domain name is missing\r\n"},
    Row{bad_hello_argument, "501 That is not a domain name\r\n"},
    Row{no_arguments_allowed, "501 5.5.4 No parameters allowed\r\n"},
    Row{bad_arguments, "501 5.5.4 Invalid parameters\r\n"},
    Row{bad_sender_syntax, "501 5.5.2 Syntax: MAIL FROM:<address> [parameters]\r\n"},
    Row{bad_sender_address, "501 5.1.7 Bad sender address syntax\r\n"},
    Row{bad_recipient_syntax, "501 5.5.2 Syntax: RCPT TO:<address>\r\n"},
    Row{bad_recipient_address, "501 5.1.3 Bad recipient address syntax\r\n"},
    Row{bad_parameter, "501 5.5.4 Invalid parameter value\r\n"},
    Row{duplicate_parameter, "501 5.5.4 Parameter given twice\r\n"},
    Row{unknown_parameter, "555 5.5.4 Parameter not recognized\r\n"},
    Row{needs_smtputf8, "553 5.6.7 Address needs SMTPUTF8\r\n"},
    Row{binary_needs_bdat, "503 5.5.1 BODY=BINARYMIME needs BDAT\r\n"},
    Row{pipelining_violation,
        "554 5.5.0 Input before the reply to a command that ends its group\r\n"},
    Row{not_implemented, "502 5.5.1 Command not implemented\r\n"},
    Row{needs_hello, "503 5.5.1 Say EHLO first\r\n"},
    Row{needs_ehlo, "503 5.5.1 Say EHLO first\r\n"},
    Row{nested_mail, "503 5.5.1 Sender already given\r\n"},
    Row{during_transaction, "503 5.5.1 Not during a mail transaction\r\n"},
    Row{no_sender, "503 5.5.1 Say MAIL first\r\n"},
    Row{no_recipients, "554 5.5.1 No valid recipients\r\n"},
    Row{chunking_begun, "503 5.5.1 Only BDAT or RSET may follow BDAT\r\n"},
    Row{bad_chunk_size, "501 5.5.4 Invalid chunk size, closing connection\r\n"},
    Row{tls_active, "503 5.5.1 TLS already active\r\n"},

    Row{early_talker, "554 5.5.1 Client talks before the greeting, closing connection\r\n"},
    Row{needs_tls, "530 5.7.0 Must issue a STARTTLS command first\r\n"},
    Row{needs_auth, "530 5.7.0 Authentication required\r\n"},
    Row{auth_needs_tls, "538 5.7.11 Encryption required for this mechanism\r\n"},
    Row{auth_done, "503 5.5.1 Already authenticated\r\n"},
    Row{auth_cancelled, "501 5.7.0 Authentication cancelled\r\n"},
    Row{auth_bad_base64, "501 5.5.2 Invalid base64\r\n"},
    Row{auth_bad_message, "501 5.5.2 Malformed authentication message\r\n"},
    Row{auth_bad_mechanism_name, "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n"},
    Row{auth_unknown_mechanism, "504 5.5.4 Mechanism not recognized\r\n"},
    Row{bad_credentials, "535 5.7.8 Authentication credentials invalid\r\n"},
    Row{sender_not_owned, "550 5.7.1 This sender address is not yours\r\n"},
    Row{address_refused, "550 5.7.1 Your address is refused here\r\n"},
    Row{relaying_denied, "550 5.7.1 Relaying denied\r\n"},
    Row{unknown_user, "550 5.1.1 No such user here\r\n"},
    Row{message_too_big, "552 5.3.4 Message too big\r\n"},
    Row{larger_than_mailbox, "552 5.2.3 Message is larger than the mailbox may be\r\n"},
    Row{header_too_big, "552 5.3.4 Message header too big\r\n"},
    Row{too_many_hops, "554 5.4.6 Too many hops\r\n"},
    Row{local_loop, "554 5.4.6 Mail loop: message was here too often\r\n"},
    Row{bare_newline, "550 5.6.11 Message holds a bare <CR> or <LF>\r\n"},
    Row{nul_octet, "550 5.6.0 Message holds a NUL octet\r\n"},
};

constexpr bool rows_in_order() {
  if (kRows.size() != static_cast<std::size_t>(count_)) return false;
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].reply) != i) return false;
  }
  return true;
}
static_assert(rows_in_order(), "kRows must follow enum Reply");

// RFC 5321 4.5.3.1.5: a reply line has at most 512 octets; an argument adds at most 20.
constexpr bool rows_fit() {
  for (const Row& row : kRows) {
    if (row.line.size() > 480 || !row.line.ends_with("\r\n")) return false;
  }
  return true;
}
static_assert(rows_fit());

}  // namespace

std::string_view line_of(Reply reply) noexcept {
  return kRows[static_cast<std::size_t>(reply)].line;
}

int code_of(Reply reply) noexcept {
  const std::string_view line = line_of(reply);
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

std::string_view text_of(Reply reply) noexcept {
  std::string_view line = line_of(reply);
  line.remove_suffix(2);
  return line;
}

void append_reply(std::string& out, Reply reply, std::string_view argument) {
  const std::string_view line = line_of(reply);
  if (argument.empty()) {
    out.append(line);
    return;
  }
  const std::size_t mark = line.find('%');
  out.append(line.substr(0, mark));
  out.append(argument);
  if (mark != std::string_view::npos) out.append(line.substr(mark + 1));
}

}  // namespace postern::smtp

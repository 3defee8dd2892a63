// The command handlers, one file each. A handler replies, and changes the conversation; what must
// hold before it runs is in ../command_table.cpp.
#pragma once

namespace postern::smtp {

struct Conversation;
struct CommandCall;

void run_ehlo(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.1
void run_helo(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.1
void run_mail(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.2
void run_rcpt(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.3
void run_data(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.4
void run_bdat(Conversation& conversation, const CommandCall& call);      ///< RFC 3030 section 2
void run_rset(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.5
void run_vrfy(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.6
void run_expn(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.7
void run_help(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.8
void run_noop(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.9
void run_quit(Conversation& conversation, const CommandCall& call);      ///< RFC 5321 4.1.1.10
void run_starttls(Conversation& conversation, const CommandCall& call);  ///< RFC 3207
void run_auth(Conversation& conversation, const CommandCall& call);      ///< RFC 4954
void run_xclient(Conversation& conversation, const CommandCall& call);   ///< for trusted proxies
/// A line of an AUTH exchange, without its CRLF. Not a command: it has no verb.
void run_auth_response(Conversation& conversation, const CommandCall& call);

}  // namespace postern::smtp

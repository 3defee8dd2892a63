#include "sidecars/pop3/command_table.hpp"

namespace postern::pop3 {

const CommandEntry* CommandTable::find(std::string_view keyword) noexcept {
  using S = Pop3Session;
  constexpr std::uint16_t kBoth = kBeforeLogin | kAfterLogin;
  // The busiest commands first: a look-up is a walk.
  static constexpr CommandEntry kEntries[] = {
      {"RETR", &S::command_retr, kAfterLogin, 1, 1, "RETR message-number"},
      {"DELE", &S::command_dele, kAfterLogin, 1, 1, "DELE message-number"},
      {"TOP", &S::command_top, kAfterLogin, 2, 2, "TOP message-number lines"},
      {"UIDL", &S::command_uidl, kAfterLogin, 0, 1, "UIDL [message-number]"},
      {"LIST", &S::command_list, kAfterLogin, 0, 1, "LIST [message-number]"},
      {"STAT", &S::command_stat, kAfterLogin, 0, 0, "STAT"},
      {"NOOP", &S::command_noop, kAfterLogin, 0, 0, "NOOP"},
      {"RSET", &S::command_rset, kAfterLogin, 0, 0, "RSET"},
      {"QUIT", &S::command_quit, kBoth | kWithoutTls, 0, 0, "QUIT"},
      {"CAPA", &S::command_capa, kBoth | kWithoutTls, 0, 0, "CAPA"},
      {"USER", &S::command_user, kBeforeLogin | kRestIsOneArgument, 1, 1, "USER name"},
      {"PASS", &S::command_pass, kBeforeLogin | kRestIsOneArgument, 1, 1, "PASS password"},
      {"AUTH", &S::command_auth, kBeforeLogin, 0, 2, "AUTH mechanism [initial-response]"},
      {"STLS", &S::command_stls, kBeforeLogin | kWithoutTls, 0, 0, "STLS"},
      {"UTF8", &S::command_utf8, kBeforeLogin, 0, 0, "UTF8"},
      {"LANG", &S::command_lang, kBoth, 0, 1, "LANG [language-range]"},
  };
  for (const CommandEntry& entry : kEntries)
    if (equals_ignoring_case(entry.name, keyword)) return &entry;
  return nullptr;
}

}  // namespace postern::pop3

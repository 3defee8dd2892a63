#include "gateway/quota_notice.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "gateway/smtp/trace.hpp"
#include "runtime/config/units.hpp"

namespace postern::gateway {

namespace {

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// RFC 5322 3.2.3, RFC 6532 3.2.
bool is_atom_octet(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-/=?^_`{|}~";
  const auto octet = static_cast<unsigned char>(c);
  return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
         (octet >= '0' && octet <= '9') || octet >= 0x80 || kOthers.contains(c);
}

bool is_dot_atom(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.' || text.contains("..")) {
    return false;
  }
  return std::ranges::all_of(text, [](char c) { return c == '.' || is_atom_octet(c); });
}

/// The address as a header field has it: the local part quoted where it must be.
std::string header_address(std::string_view account) {
  const std::size_t at = account.rfind('@');
  const std::string_view local_part = account.substr(0, at);
  if (is_dot_atom(local_part)) return std::string(account);
  std::string quoted = "\"";
  for (const char c : local_part) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted.append("\"").append(account.substr(at));
}

std::string size_text(std::uint64_t octets) {
  return fmt::format("{} ({} octets)", config::readable_octets(octets), octets);
}

std::string body_text(const QuotaNotice& notice, std::uint64_t percent) {
  const bool full = notice.level == store::QuotaLevel::full;
  std::string text = fmt::format(
      "The mailbox of {} is {}.\r\n\r\n"
      "  It holds:      {}, {} %\r\n"
      "  It may hold:   {}\r\n\r\n",
      notice.account, full ? "full" : "nearly full", size_text(notice.use.used_octets), percent,
      size_text(notice.use.limit_octets));
  text += full ? "New mail for it is refused now. Its senders' servers try again, most of them\r\n"
                 "for some days, and then return the mail to whoever wrote it. Nothing that is\r\n"
                 "in the mailbox is lost.\r\n\r\n"
                 "Please delete mail that is no longer needed: mail comes in again as soon as\r\n"
                 "there is room.\r\n"
               : "When it is full, new mail for it will be refused for the time being. Please\r\n"
                 "delete mail that is no longer needed.\r\n";
  return text;
}

}  // namespace

std::string write_quota_notice(const QuotaNotice& notice) {
  const std::string_view domain = notice.account.substr(notice.account.rfind('@') + 1);
  const std::uint64_t percent = notice.use.used_octets * 100 / notice.use.limit_octets;
  const bool ascii = is_ascii(notice.account);
  std::string out;
  smtp::append_return_path(out, "");
  out += "Date: ";
  smtp::append_date(out, notice.unix_ms);
  out += fmt::format(
      "\r\nFrom: \"Mail system\" <postmaster@{}>\r\n"
      "To: <{}>\r\n"
      "Subject: {}\r\n"
      "Message-ID: <{}@{}>\r\n"
      "Auto-Submitted: auto-generated\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset={}\r\n"
      "Content-Transfer-Encoding: {}\r\n\r\n",
      domain, header_address(notice.account),
      notice.level == store::QuotaLevel::full
          ? std::string("Your mailbox is full")
          : fmt::format("Your mailbox is nearly full ({} %)", percent),
      notice.id, notice.hostname, ascii ? "us-ascii" : "utf-8", ascii ? "7bit" : "8bit");
  out += body_text(notice, percent);
  return out;
}

}  // namespace postern::gateway

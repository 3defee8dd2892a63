// The strict half of the wire: pieces of responses in RFC 3501 section 9 syntax, appended to an
// output string. No allocation beyond the output's own growth.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::imap {

void append_number(std::string& out, std::uint64_t value);
/// A quoted string where the octets permit one, else a literal (8-bit, CR, LF: IMAP-12). NULs,
/// which no string can carry, are dropped.
void append_string(std::string& out, std::string_view value);
/// A quoted string or, with a quote or backslash or anything unquotable in it, a literal (IMAP-14).
void append_mailbox(std::string& out, std::string_view wire_name);
/// "17-Jul-1996 02:44:25 +0000" with its quotes: date-time, always in UTC.
void append_internal_date(std::string& out, std::int64_t unix_ms);
/// "{n}CRLF".
void append_literal_head(std::string& out, std::uint64_t octets);

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back.
std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) noexcept;
struct CivilDate {
  std::int64_t year = 1970;
  unsigned month = 1;  ///< 1..12
  unsigned day = 1;    ///< 1..31
};
CivilDate civil_from_days(std::int64_t days) noexcept;

/// "Jan".."Dec", index 0..11.
extern const std::string_view kMonthNames[12];

}  // namespace postern::imap

#include "sidecars/imap/response.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace postern::imap {

const std::string_view kMonthNames[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

namespace {

bool quotable(char octet) noexcept {
  const auto value = static_cast<unsigned char>(octet);
  return value < 0x80 && octet != '\r' && octet != '\n' && octet != '\0';
}

void append_literal(std::string& out, std::string_view value) {
  const auto nuls = static_cast<std::size_t>(std::ranges::count(value, '\0'));
  append_literal_head(out, value.size() - nuls);
  if (nuls == 0) {
    out.append(value);
  } else {
    std::ranges::remove_copy(value, std::back_inserter(out), '\0');
  }
}

}  // namespace

void append_number(std::string& out, std::uint64_t value) {
  const fmt::format_int digits(value);
  out.append(digits.data(), digits.size());
}

void append_literal_head(std::string& out, std::uint64_t octets) {
  out.push_back('{');
  append_number(out, octets);
  out.append("}\r\n");
}

void append_string(std::string& out, std::string_view value) {
  if (!std::ranges::all_of(value, quotable)) {
    append_literal(out, value);
    return;
  }
  out.push_back('"');
  for (const char octet : value) {
    if (octet == '"' || octet == '\\') out.push_back('\\');
    out.push_back(octet);
  }
  out.push_back('"');
}

void append_mailbox(std::string& out, std::string_view wire_name) {
  if (wire_name.find_first_of("\\\"") != std::string_view::npos) {
    append_literal(out, wire_name);
  } else {
    append_string(out, wire_name);
  }
}

std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) noexcept {
  // Years begin in March here, so that the leap day is a year's last.
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month_from_march = (month + 9) % 12;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

CivilDate civil_from_days(std::int64_t days) noexcept {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t day_of_era = days - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  CivilDate date;
  date.day = static_cast<unsigned>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  date.month =
      static_cast<unsigned>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

void append_internal_date(std::string& out, std::int64_t unix_ms) {
  // date-year has four digits: what lies outside of them is clamped, never fatal (IMAP-47).
  constexpr std::int64_t kFirstSecond = -62135596800;  // 0001-01-01
  constexpr std::int64_t kLastSecond = 253402300799;   // 9999-12-31
  constexpr std::int64_t kDaySeconds = 86400;
  std::int64_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0 ? 1 : 0);
  seconds = std::clamp(seconds, kFirstSecond, kLastSecond);
  std::int64_t days = seconds / kDaySeconds;
  std::int64_t rest = seconds % kDaySeconds;
  if (rest < 0) {
    rest += kDaySeconds;
    --days;
  }
  const CivilDate date = civil_from_days(days);
  const auto digit = [](std::int64_t value) { return static_cast<char>('0' + value % 10); };
  const std::string_view month = kMonthNames[date.month - 1];
  const std::int64_t hour = rest / 3600;
  const std::int64_t minute = rest / 60 % 60;
  const std::int64_t second = rest % 60;
  const char text[] = {'"',
                       date.day < 10 ? ' ' : digit(date.day / 10),
                       digit(date.day),
                       '-',
                       month[0],
                       month[1],
                       month[2],
                       '-',
                       digit(date.year / 1000),
                       digit(date.year / 100),
                       digit(date.year / 10),
                       digit(date.year),
                       ' ',
                       digit(hour / 10),
                       digit(hour),
                       ':',
                       digit(minute / 10),
                       digit(minute),
                       ':',
                       digit(second / 10),
                       digit(second),
                       ' ',
                       '+',
                       '0',
                       '0',
                       '0',
                       '0',
                       '"'};
  out.append(text, sizeof text);
}

}  // namespace postern::imap

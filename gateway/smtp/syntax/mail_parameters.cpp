#include "gateway/smtp/syntax/mail_parameters.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <string>

#include "gateway/smtp/syntax/parameters.hpp"
#include "gateway/smtp/syntax/path.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {

namespace {

using text::equal_folded;
using Refusal = std::optional<Reply>;

/// A parameter of MAIL: its keyword, whether it is offered, and who reads its value.
struct MailRow {
  std::string_view keyword;
  bool (*offered)(const Offers&);
  /// Takes the value into `into`; false: it is none.
  bool (*take)(const Parameter&, const Offers&, Now, MailParameters&);
};

bool always(const Offers&) { return true; }

bool take_size(const Parameter& parameter, const Offers&, Now, MailParameters& into) {
  // RFC 1870 section 4: up to twenty digits. What 64 bits do not hold is a size all the same.
  constexpr std::size_t kDigitsMax = 20;
  const bool digits = !parameter.value.empty() && parameter.value.size() <= kDigitsMax &&
                      std::ranges::all_of(parameter.value, text::is_digit);
  if (!digits) return false;
  into.size_octets =
      text::parse_number(parameter.value).value_or(std::numeric_limits<std::uint64_t>::max());
  return true;
}

bool take_body(const Parameter& parameter, const Offers& offers, Now, MailParameters& into) {
  into.options.body_binary = offers.binarymime && equal_folded(parameter.value, "BINARYMIME");
  into.body_8bit = into.options.body_binary || equal_folded(parameter.value, "8BITMIME");
  return into.body_8bit || equal_folded(parameter.value, "7BIT");
}

bool take_smtputf8(const Parameter& parameter, const Offers&, Now, MailParameters& into) {
  into.smtputf8 = true;
  return !parameter.has_value;
}

// AUTH=<> or AUTH=mailbox in xtext. Checked and not used: the identity that counts is the one that
// logged in here, and no next hop is trusted with another.
bool take_auth(const Parameter& parameter, const Offers&, Now, MailParameters&) {
  const std::optional<std::string> decoded = decode_xtext(parameter.value);
  return decoded && (*decoded == "<>" || is_mailbox(*decoded));
}

bool take_ret(const Parameter& parameter, const Offers&, Now, MailParameters& into) {
  const bool full = equal_folded(parameter.value, "FULL");
  into.options.dsn_return = full ? store::DsnReturn::full : store::DsnReturn::headers;
  return full || equal_folded(parameter.value, "HDRS");
}

bool take_envid(const Parameter& parameter, const Offers&, Now, MailParameters& into) {
  into.options.envelope_id = parameter.value;
  return !parameter.value.empty() && parameter.value.size() <= kEnvidOctetsMax &&
         decode_xtext(parameter.value).has_value();
}

bool take_require_tls(const Parameter& parameter, const Offers&, Now, MailParameters& into) {
  into.options.require_tls = true;
  return !parameter.has_value;
}

// RFC 6710 section 5: -9 to 9, without a plus or a leading zero.
bool take_priority(const Parameter& parameter, const Offers&, Now, MailParameters& into) {
  std::string_view digits = parameter.value;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.size() != 1 || !text::is_digit(digits.front())) return false;
  const int value = digits.front() - '0';
  if (negative && value == 0) return false;
  into.options.priority = static_cast<std::int8_t>(negative ? -value : value);
  return true;
}

// RFC 2852 section 4: BY=<seconds>;<N|R>[T]. With R the time must lie ahead.
bool take_by(const Parameter& parameter, const Offers&, Now now, MailParameters& into) {
  const std::size_t semicolon = std::min(parameter.value.find(';'), parameter.value.size());
  std::string_view digits = parameter.value.substr(0, semicolon);
  std::string_view mode = parameter.value.substr(semicolon);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  constexpr std::size_t kDigitsMax = 9;
  const auto seconds = text::parse_number(digits);
  if (!seconds || digits.size() > kDigitsMax || mode.size() < 2 || mode.size() > 3) return false;
  const char letter = text::upper(mode[1]);
  if (letter != 'N' && letter != 'R') return false;
  if (mode.size() == 3 && text::upper(mode[2]) != 'T') return false;
  auto ahead_ms = static_cast<std::int64_t>(*seconds) * 1000;
  if (negative) ahead_ms = -ahead_ms;
  if (letter == 'R' && ahead_ms <= 0) return false;
  store::EnvelopeOptions& options = into.options;
  options.deliver_by_mode =
      letter == 'R' ? store::DeliverByMode::return_to_sender : store::DeliverByMode::notify;
  options.deliver_by_trace = mode.size() == 3;
  options.deliver_by_unix_ms = now.unix_ms + ahead_ms;
  into.times.deliver_by = ahead_ms;
  return true;
}

bool hold_until(std::int64_t unix_ms, const Offers& offers, Now now, MailParameters& into) {
  // One of the two is the limit (RFC 4865 section 3), and it must lie ahead.
  if (into.options.hold_until_unix_ms != 0 || unix_ms <= now.unix_ms) return false;
  into.options.hold_until_unix_ms = unix_ms;
  return unix_ms - now.unix_ms <= offers.hold_max_ms;
}

bool take_hold_for(const Parameter& parameter, const Offers& offers, Now now,
                   MailParameters& into) {
  constexpr std::size_t kDigitsMax = 9;
  const auto seconds = text::parse_number(parameter.value);
  if (!seconds || parameter.value.size() > kDigitsMax) return false;
  const auto ahead_ms = static_cast<std::int64_t>(*seconds) * 1000;
  into.times.hold = -ahead_ms;
  return hold_until(now.unix_ms + ahead_ms, offers, now, into);
}

bool take_hold_until(const Parameter& parameter, const Offers& offers, Now now,
                     MailParameters& into) {
  const auto at = parse_date_time(parameter.value);
  into.times.hold = at.value_or(0);
  return at && hold_until(*at, offers, now, into);
}

constexpr std::array kMailRows = {
    MailRow{"SIZE", always, take_size},
    MailRow{"BODY", always, take_body},
    MailRow{"SMTPUTF8", always, take_smtputf8},
    MailRow{"AUTH", [](const Offers& o) { return o.auth; }, take_auth},
    MailRow{"RET", [](const Offers& o) { return o.dsn; }, take_ret},
    MailRow{"ENVID", [](const Offers& o) { return o.dsn; }, take_envid},
    MailRow{"REQUIRETLS", [](const Offers& o) { return o.require_tls; }, take_require_tls},
    MailRow{"MT-PRIORITY", [](const Offers& o) { return o.mt_priority; }, take_priority},
    MailRow{"BY", [](const Offers& o) { return o.deliver_by; }, take_by},
    MailRow{"HOLDFOR", [](const Offers& o) { return o.hold_max_ms != 0; }, take_hold_for},
    MailRow{"HOLDUNTIL", [](const Offers& o) { return o.hold_max_ms != 0; }, take_hold_until},
};

// NOTIFY=NEVER, or a list of SUCCESS, FAILURE and DELAY (RFC 3461 4.1).
bool take_notify(std::string_view value, store::RecipientOptions& into) {
  while (true) {
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view word = value.substr(0, comma);
    std::uint8_t bit = 0;
    if (equal_folded(word, "NEVER")) bit = store::kNotifyNever;
    if (equal_folded(word, "SUCCESS")) bit = store::kNotifySuccess;
    if (equal_folded(word, "FAILURE")) bit = store::kNotifyFailure;
    if (equal_folded(word, "DELAY")) bit = store::kNotifyDelay;
    if (bit == 0 || (into.notify & bit) != 0) return false;
    into.notify |= bit;
    if (comma == value.size()) break;
    value.remove_prefix(comma + 1);
  }
  return (into.notify & store::kNotifyNever) == 0 || into.notify == store::kNotifyNever;
}

// ORCPT=type;address, the type an atom, the address in xtext (RFC 3461 4.2) or, for the type
// "utf-8", in the form of RFC 6533 section 3, whose escapes use the same letters and braces.
bool take_orcpt(std::string_view value, bool smtputf8, store::RecipientOptions& into) {
  const std::size_t semicolon = value.find(';');
  if (value.size() > kOrcptOctetsMax || semicolon == std::string_view::npos) return false;
  const std::string_view type = value.substr(0, semicolon);
  const std::string_view address = value.substr(semicolon + 1);
  const auto is_atom_letter = [](char c) {
    return text::is_alpha(c) || text::is_digit(c) || c == '-' || c == '_' || c == '.';
  };
  if (type.empty() || address.empty() || !std::ranges::all_of(type, is_atom_letter)) return false;
  into.orcpt = value;
  if (!equal_folded(type, "utf-8")) return decode_xtext(address).has_value();
  return !text::has_8bit(address) || (smtputf8 && text::is_utf8(address));
}

struct DateTimeReader {
  std::string_view rest;
  bool ok = true;

  std::int64_t number(std::size_t digits) {
    const auto value = text::parse_number(rest.substr(0, digits));
    if (rest.size() < digits || !value) {
      ok = false;
      return 0;
    }
    rest.remove_prefix(digits);
    return static_cast<std::int64_t>(*value);
  }
  void skip(char c) {
    if (!rest.starts_with(c)) {
      ok = false;
    } else {
      rest.remove_prefix(1);
    }
  }
};

}  // namespace

std::optional<Reply> parse_mail_parameters(std::string_view text, const Offers& offers, Now now,
                                           MailParameters& into) {
  std::uint32_t seen = 0;
  ParameterList list(text);
  while (const std::optional<Parameter> parameter = list.next()) {
    const auto* const row = std::ranges::find_if(kMailRows, [&](const MailRow& one) {
      return equal_folded(one.keyword, parameter->keyword) && one.offered(offers);
    });
    if (row == kMailRows.end()) return Reply::unknown_parameter;
    const std::uint32_t bit = 1U << (row - kMailRows.begin());
    if ((seen & bit) != 0) return Reply::duplicate_parameter;
    seen |= bit;
    if (!row->take(*parameter, offers, now, into)) return Reply::bad_parameter;
  }
  if (list.failed()) return Reply::bad_arguments;
  // A message that is late before it may be sent makes no sense (RFC 4865 section 6).
  const store::EnvelopeOptions& options = into.options;
  if (options.hold_until_unix_ms != 0 && options.deliver_by_mode != store::DeliverByMode::none &&
      options.deliver_by_unix_ms <= options.hold_until_unix_ms) {
    return Reply::bad_parameter;
  }
  return std::nullopt;
}

std::optional<Reply> parse_rcpt_parameters(std::string_view text, const Offers& offers,
                                           bool smtputf8, store::RecipientOptions& into) {
  if (text.empty()) return std::nullopt;
  bool notify_seen = false;
  bool orcpt_seen = false;
  ParameterList list(text);
  while (const std::optional<Parameter> parameter = list.next()) {
    const bool notify = equal_folded(parameter->keyword, "NOTIFY");
    const bool orcpt = equal_folded(parameter->keyword, "ORCPT");
    if (!offers.dsn || (!notify && !orcpt)) return Reply::unknown_parameter;
    if (notify ? notify_seen : orcpt_seen) return Reply::duplicate_parameter;
    (notify ? notify_seen : orcpt_seen) = true;
    const bool fine =
        notify ? take_notify(parameter->value, into) : take_orcpt(parameter->value, smtputf8, into);
    if (!fine) return Reply::bad_parameter;
  }
  return list.failed() ? std::optional(Reply::bad_arguments) : std::nullopt;
}

std::optional<std::int64_t> parse_date_time(std::string_view text) noexcept {
  using std::chrono::days;
  DateTimeReader in{.rest = text};
  const auto year = static_cast<int>(in.number(4));
  in.skip('-');
  const auto month = static_cast<unsigned>(in.number(2));
  in.skip('-');
  const auto day = static_cast<unsigned>(in.number(2));
  in.skip('T');
  const std::int64_t hour = in.number(2);
  in.skip(':');
  const std::int64_t minute = in.number(2);
  in.skip(':');
  const std::int64_t second = in.number(2);
  if (in.ok && in.rest.starts_with('.')) {
    in.rest.remove_prefix(1);
    const std::size_t digits = std::min(in.rest.find_first_not_of("0123456789"), in.rest.size());
    if (digits == 0) return std::nullopt;
    in.rest.remove_prefix(digits);  // less than a second is below what a queue does
  }
  std::int64_t offset_minutes = 0;
  if (in.rest != "Z") {
    const bool east = in.rest.starts_with('+');
    in.skip(east ? '+' : '-');
    const std::int64_t offset_hour = in.number(2);
    in.skip(':');
    const std::int64_t offset_minute = in.number(2);
    if (!in.rest.empty() || offset_hour > 23 || offset_minute > 59) return std::nullopt;
    offset_minutes = (offset_hour * 60 + offset_minute) * (east ? 1 : -1);
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!in.ok || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t day_number = std::chrono::sys_days(date).time_since_epoch().count();
  return (((day_number * 24 + hour) * 60 + minute - offset_minutes) * 60 + second) * 1000;
}

void append_date_time(std::string& out, std::int64_t unix_ms) {
  using std::chrono::days;
  const std::chrono::sys_time<std::chrono::milliseconds> at{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<days>(at);
  const std::chrono::year_month_day date(day);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at - day).count();
  const auto put = [&out](std::int64_t value, char behind) {
    out.push_back(static_cast<char>('0' + value / 10 % 10));
    out.push_back(static_cast<char>('0' + value % 10));
    out.push_back(behind);
  };
  const int year = static_cast<int>(date.year());
  out.push_back(static_cast<char>('0' + year / 1000 % 10));
  out.push_back(static_cast<char>('0' + year / 100 % 10));
  put(year % 100, '-');
  put(static_cast<unsigned>(date.month()), '-');
  put(static_cast<unsigned>(date.day()), 'T');
  put(seconds / 3600, ':');
  put(seconds / 60 % 60, ':');
  put(seconds % 60, 'Z');
}

}  // namespace postern::smtp

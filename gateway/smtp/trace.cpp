#include "gateway/smtp/trace.hpp"

#include <array>
#include <chrono>

namespace postern::smtp {

namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void append_two_digits(std::string& out, std::int64_t value) {
  out.push_back(static_cast<char>('0' + value / 10 % 10));
  out.push_back(static_cast<char>('0' + value % 10));
}

}  // namespace

void append_return_path(std::string& out, std::string_view reverse_path) {
  out.append("Return-Path: <").append(reverse_path).append(">\r\n");
}

std::string_view with_protocol(const ReceivedFacts& facts) noexcept {
  const int which = (facts.tls != nullptr ? 1 : 0) | (facts.authenticated ? 2 : 0);
  if (facts.smtputf8) {
    constexpr std::array<std::string_view, 4> kNames = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA",
                                                        "UTF8SMTPSA"};
    return kNames[static_cast<std::size_t>(which)];
  }
  if (!facts.extended) return "SMTP";
  constexpr std::array<std::string_view, 4> kNames = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
  return kNames[static_cast<std::size_t>(which)];
}

void append_received(std::string& out, const ReceivedFacts& facts) {
  out.append("Received: ");
  if (!facts.hide_client) {
    out.append("from ").append(facts.hello_name);
    if (facts.address == "unix") {
      out.append(" (local socket)");
    } else {
      out.append(facts.is_ipv6 ? " ([IPv6:" : " ([").append(facts.address).append("])");
    }
    out.append("\r\n\t");
  }
  out.append("by ").append(facts.hostname).append(" with ").append(with_protocol(facts));
  if (facts.tls != nullptr) {
    out.append("\r\n\t(").append(facts.tls->version).append(" ").append(facts.tls->cipher);
    out.append(")");
  }
  out.append(facts.tls != nullptr ? "\r\n\tid " : " id ").append(facts.id);
  if (!facts.only_recipient.empty()) {
    out.append("\r\n\tfor <").append(facts.only_recipient).append(">");
  }
  out.append(facts.only_recipient.empty() ? ";\r\n\t" : "; ");
  append_date(out, facts.unix_ms);
  out.append("\r\n");
}

void append_date(std::string& out, std::int64_t unix_ms) {
  using std::chrono::days;
  const std::chrono::sys_time<std::chrono::milliseconds> at{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::weekday weekday(day);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at - day).count();
  out.append(kDays[weekday.c_encoding()]).append(", ");
  append_two_digits(out, static_cast<unsigned>(date.day()));
  out.append(" ").append(kMonths[static_cast<unsigned>(date.month()) - 1]).append(" ");
  const int year = static_cast<int>(date.year());
  append_two_digits(out, year / 100);
  append_two_digits(out, year % 100);
  out.push_back(' ');
  append_two_digits(out, seconds / 3600);
  out.push_back(':');
  append_two_digits(out, seconds / 60 % 60);
  out.push_back(':');
  append_two_digits(out, seconds % 60);
  out.append(" +0000");
}

}  // namespace postern::smtp

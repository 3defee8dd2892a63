// Limits of SMTP listeners that remember clients: rates, tarpit, penalties.
#include <fmt/format.h>

#include "store/config/bind.hpp"

namespace postern::config {
namespace {

// RFC 5321 4.5.3.2.2 lets clients wait five minutes for the reply to a command; half of it is the
// longest that does not make honest ones give up.
constexpr Range kTarpitDelay{.min = 1, .max = 150, .zero_is_none = true};
// A day: an address may belong to somebody else tomorrow.
constexpr Range kMemory{.min = 1, .max = 86400, .zero_is_none = true};
// Postscreen's users wait six seconds; beyond half a minute honest servers hang up.
constexpr Range kGreetingDelay{.min = 1, .max = 30, .zero_is_none = true};
// Above 64 KiB/s whole countries could not send.
constexpr Range kDataRate{.min = 1, .max = 64u << 10, .zero_is_off = true};
constexpr Range kDataGrace{.min = 1, .max = 600};
constexpr Range kPipeline{.min = 1, .max = 1'000'000, .zero_is_off = true};
// A sidecar gives a login 15 s to be answered: the longest penalty stays below.
constexpr Range kLoginDelay{.min = 1, .max = 12, .zero_is_none = true};
constexpr Range kLoginFailuresFree{.min = 0, .max = 1000};
constexpr Range kHalfLife{.min = 1, .max = 86400};
constexpr Range kPercent{.min = 1, .max = 100, .zero_is_off = true};
// Up to a thousand times the minimum: whoever wants half a terabyte free may say so.
constexpr Range kDiskPercent{.min = 101, .max = 100'000, .zero_is_off = true};
constexpr Range kLatencyMs{.min = 1, .max = 600'000, .zero_is_off = true};
constexpr Range kRecoveryPercent{.min = 1, .max = 99};
constexpr Range kPressureDelay{.min = 1, .max = 60, .zero_is_none = true};
constexpr Range kPatience{.min = 0, .max = 3600};
// Below a thousand the sets of the table forget busy sources; above 16 million it is 6 GiB.
constexpr Range kPolicyKeys{.min = 1 << 10, .max = 16u << 20};

void bind_rates(Binder& b, std::string_view key, RateLimits& rates, Unit unit,
                std::string_view example, std::string_view doc) {
  std::string text = format_rates(rates, unit);
  b.text(key, text, doc, [&](std::string_view value) -> std::optional<Complaint> {
    if (parse_rates(value, unit)) return std::nullopt;
    return Complaint{fmt::format("\"{}\" is not a list of rates", value),
                     fmt::format("write \"{}\" with the windows s, min, h and d, or \"0\" for no "
                                 "limit",
                                 example)};
  });
  if (b.reading()) rates = parse_rates(text, unit).value_or(rates);
}

}  // namespace

void bind_rate_limits(Binder& b, SmtpListenerSettings& s) {
  constexpr std::string_view kExample = "10/s, 600/min, 5000/h";
  bind_rates(b, "source_message_rate", s.source_message_rate, Unit::count, kExample,
             "Messages that one source may begin, without having logged in, in any second, minute, "
             "hour or day: \"10/s, 600/min\"; \"0\": no limit. One more is answered 421. Listeners "
             "with the same rates count together.");
  bind_rates(b, "identity_message_rate", s.identity_message_rate, Unit::count, kExample,
             "The same for an account that has logged in.");
  bind_rates(b, "identity_recipient_rate", s.identity_recipient_rate, Unit::count, "1000/h, 5000/d",
             "Recipients an account may send to; further ones are answered 452.");
  bind_rates(b, "identity_octet_rate", s.identity_octet_rate, Unit::octets, "1GiB/h, 5GiB/d",
             "Octets an account may send; a message that would be more is answered 452, at MAIL if "
             "its SIZE says so, else at its end.");
  b.duration("tarpit_delay", s.tarpit_delay, kTarpitDelay,
             "How long an error reply is held back from a client that has not logged in, and the "
             "greeting when it comes again.");
  b.duration("greeting_delay", s.greeting_delay, kGreetingDelay,
             "Pause before the greeting. Who talks before it, as programs do that do not listen, "
             "is refused (554).");
  b.octets("data_octets_per_second_min", s.data_octets_per_second_min, kDataRate,
           "Slowest message: a client that sends less, on average over data_rate_grace, is told "
           "421.");
  b.duration("data_rate_grace", s.data_rate_grace, kDataGrace,
             "Over how long data_octets_per_second_min is counted.");
  b.count("pipeline_commands_max", s.pipeline_commands_max, kPipeline,
          "Commands that are run while their replies cannot be sent; further ones wait.");
}

void bind(Binder& b, PressureSettings& s) {
  b.count("memory_medium_percent", s.memory_medium_percent, kPercent,
          "Part of [store] memory_budget_octets in use that is medium.");
  b.count("memory_high_percent", s.memory_high_percent, kPercent, "The same for high.");
  b.count("disk_medium_percent", s.disk_medium_percent, kDiskPercent,
          "Free space below this part of [store] disk_free_min_octets is medium, below all of it "
          "high.");
  b.count("stall_medium_percent", s.stall_medium_percent, kPercent,
          "Part of the last seconds' writes that the database put off that is medium.");
  b.count("stall_high_percent", s.stall_high_percent, kPercent, "The same for high.");
  b.count("latency_medium_ms", s.latency_medium_ms, kLatencyMs,
          "Mean milliseconds of a write to the disk that are medium.");
  b.count("latency_high_ms", s.latency_high_ms, kLatencyMs, "The same for high.");
  b.count("recovery_percent", s.recovery_percent, kRecoveryPercent,
          "A level ends when its cause has come down to this part of the threshold.");
  b.duration("delay", s.delay, kPressureDelay,
             "At medium: how much later who has not logged in is greeted and may begin a message.");
  b.duration("patience", s.patience, kPatience,
             "At medium for longer: who has not logged in is refused (452). At high all are.");
  const auto ordered = [](std::uint32_t medium, std::uint32_t high) {
    return medium == 0 || high == 0 || medium <= high;
  };
  b.require(ordered(s.memory_medium_percent, s.memory_high_percent),
            {"memory_medium_percent", "memory_high_percent"}, "medium is above high",
            "make medium the smaller one");
  b.require(ordered(s.stall_medium_percent, s.stall_high_percent),
            {"stall_medium_percent", "stall_high_percent"}, "medium is above high",
            "make medium the smaller one");
  b.require(ordered(s.latency_medium_ms, s.latency_high_ms),
            {"latency_medium_ms", "latency_high_ms"}, "medium is above high",
            "make medium the smaller one");
}

void bind_policy_memory(Binder& b, GatewaySettings& s) {
  b.count("policy_keys_max", s.policy_keys_max, kPolicyKeys,
          "Sources and accounts whose rates and errors are remembered at a time; some 350 octets "
          "each.");
  b.duration("tarpit_memory", s.tarpit_memory, kMemory,
             "How long a source that got an error is greeted late.");
  b.count("login_failures_free", s.login_failures_free, kLoginFailuresFree,
          "Failed logins of a source, or against an account, that cost nothing; SMTP, POP3 and "
          "IMAP together.");
  b.duration("login_delay_max", s.login_delay_max, kLoginDelay,
             "Each further one makes the next answer wait: a second, two, four, up to this. 0: no "
             "penalties.");
  b.duration("login_failures_half_life", s.login_failures_half_life, kHalfLife,
             "After this time half of the failures is forgotten.");
}

}  // namespace postern::config

// Structured logging that never blocks a core: events are formatted on the caller's thread into a
// ring of that thread, a writer thread carries them to standard error.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace postern::log {

enum class Level : std::uint8_t { error, warn, info, debug };
enum class Format : std::uint8_t { logfmt, json };

/// A named value of an event. Text is copied during event(); octets that are not printable are
/// escaped, so a client cannot write lines into the log. Secrets have no business here.
struct Field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double> value;

  Field(std::string_view n, std::string_view text) : name(n), value(text) {}
  Field(std::string_view n, const std::string& text) : name(n), value(std::string_view(text)) {}
  Field(std::string_view n, const char* text) : name(n), value(std::string_view(text)) {}
  template <class T>
    requires std::is_integral_v<T> && std::is_signed_v<T>
  Field(std::string_view n, T number) : name(n), value(static_cast<std::int64_t>(number)) {}
  template <class T>
    requires std::is_integral_v<T> && std::is_unsigned_v<T>
  Field(std::string_view n, T number) : name(n), value(static_cast<std::uint64_t>(number)) {}
  Field(std::string_view n, double number) : name(n), value(number) {}
};

/// Starts the writer thread. `process` is on every line. Until start() and after stop() events are
/// written straight to standard error.
void start(Level level, Format format, std::string_view process);
/// Changes the threshold. Any thread.
void set_level(Level level) noexcept;
/// Whether events of `level` are written now: ask before preparing costly fields.
bool enabled(Level level) noexcept;
/// Writes everything queued and ends the writer thread.
void stop();

/// Logs one event: `name` is a dotted constant ("smtp.message.accepted"). Any thread, no lock, no
/// system call (warnings and errors wake the writer). When the thread's ring is full the event is
/// dropped and counted; the count is logged when there is room again.
void event(Level level, std::string_view name, std::initializer_list<Field> fields);

/// Parses "error", "warn", "info", "debug"; info for anything else (the configuration has checked
/// it).
Level parse_level(std::string_view text) noexcept;

/// One event as a line without its newline; for event() and its tests.
std::string format_line(Format format, std::int64_t unix_ms, Level level, std::string_view process,
                        std::string_view name, std::initializer_list<Field> fields);

}  // namespace postern::log

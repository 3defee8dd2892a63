#include "runtime/log.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <ctime>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

#include "runtime/spsc_queue.hpp"
#include "runtime/time.hpp"

namespace postern::log {

namespace {

// Lines one thread can have waiting. At 10,000 messages a second this is over half a second of a
// standard error that does not move; what comes then is dropped and counted, for mail goes first.
constexpr std::size_t kLinesPerThreadMax = 8192;
// How long ordinary events wait for company: one write(2) carries them all.
constexpr auto kWriteInterval = std::chrono::milliseconds(50);

struct Channel {
  SpscQueue<std::string> lines{kLinesPerThreadMax};
  std::atomic<std::uint64_t> dropped{0};
  std::uint64_t dropped_reported = 0;  // writer thread
  std::atomic<bool> abandoned{false};  // its thread has ended
};

std::string_view level_name(Level level) {
  switch (level) {
    case Level::error:
      return "error";
    case Level::warn:
      return "warn";
    case Level::info:
      return "info";
    case Level::debug:
      return "debug";
  }
  return "info";
}

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;  // nobody listens: there is nowhere to complain
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// The writer thread and the threads' channels.
class Writer {
 public:
  void start(Format format, std::string_view process) {
    const std::lock_guard lock(mutex_);
    if (running_) return;
    format_ = format;
    process_ = process;
    running_ = true;
    thread_ = std::thread([this] { run(); });
    started_.store(true, std::memory_order_release);
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (!running_) return;
      running_ = false;
    }
    started_.store(false, std::memory_order_release);
    urgent_.notify_all();
    thread_.join();
    drain();
  }

  bool started() const noexcept { return started_.load(std::memory_order_acquire); }
  Format format() const noexcept { return format_; }
  const std::string& process() const noexcept { return process_; }

  void enqueue(Level level, std::string line) {
    Channel& channel = own_channel();
    if (!channel.lines.try_push(std::move(line))) {
      channel.dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (level <= Level::warn) urgent_.notify_one();
  }

 private:
  // Marks a thread's channel when the thread ends, so that the writer can let go of it.
  struct ChannelHolder {
    std::shared_ptr<Channel> channel;
    ~ChannelHolder() {
      if (channel) channel->abandoned.store(true, std::memory_order_release);
    }
  };

  Channel& own_channel() {
    thread_local ChannelHolder holder;
    if (!holder.channel) {
      holder.channel = std::make_shared<Channel>();
      const std::lock_guard lock(mutex_);
      channels_.push_back(holder.channel);
    }
    return *holder.channel;
  }

  void run() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        urgent_.wait_for(lock, kWriteInterval);
        if (!running_) return;
      }
      drain();
    }
  }

  void drain() {
    std::vector<std::shared_ptr<Channel>> channels;
    {
      const std::lock_guard lock(mutex_);
      channels = channels_;
    }
    std::string text;
    std::string line;
    for (const auto& channel : channels) {
      const bool abandoned = channel->abandoned.load(std::memory_order_acquire);
      while (channel->lines.try_pop(line)) {
        text += line;
        text += '\n';
      }
      const std::uint64_t dropped = channel->dropped.load(std::memory_order_relaxed);
      if (dropped != channel->dropped_reported) {
        text += format_line(format_, read_clocks().unix_ms, Level::warn, process_, "log.dropped",
                            {{"count", dropped - channel->dropped_reported}});
        text += '\n';
        channel->dropped_reported = dropped;
      }
      if (abandoned) {
        const std::lock_guard lock(mutex_);
        std::erase(channels_, channel);
      }
    }
    write_all(text);
  }

  std::mutex mutex_;
  std::condition_variable urgent_;
  std::vector<std::shared_ptr<Channel>> channels_;
  std::thread thread_;
  bool running_ = false;
  std::atomic<bool> started_{false};
  Format format_ = Format::logfmt;
  std::string process_ = "postern";
};

Writer& writer() {
  static Writer& instance =
      *new Writer;  // never destroyed: threads may log while the process exits
  return instance;
}

std::atomic<Level> threshold{Level::info};

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20 || octet == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", octet);
    } else if (octet >= 0x80) {
      // Shown octet by octet: the text need not be valid UTF-8, and a log line always is ASCII.
      fmt::format_to(std::back_inserter(out), "\\u00{:02x}", octet);
    } else {
      out += c;
    }
  }
}

bool is_bare(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

void append_timestamp(std::string& out, std::int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                 parts.tm_sec, unix_ms % 1000);
}

void append_field(std::string& out, Format format, const Field& field) {
  if (format == Format::json) {
    out += ",\"";
    out += field.name;
    out += "\":";
  } else {
    out += ' ';
    out += field.name;
    out += '=';
  }
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    if (format == Format::logfmt && is_bare(*text)) {
      out += *text;
    } else {
      out += '"';
      append_escaped(out, *text);
      out += '"';
    }
  } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    fmt::format_to(std::back_inserter(out), "{}", *number);
  } else if (const auto* count = std::get_if<std::uint64_t>(&field.value)) {
    fmt::format_to(std::back_inserter(out), "{}", *count);
  } else {
    fmt::format_to(std::back_inserter(out), "{:.3f}", std::get<double>(field.value));
  }
}

}  // namespace

std::string format_line(Format format, std::int64_t unix_ms, Level level, std::string_view process,
                        std::string_view name, std::initializer_list<Field> fields) {
  std::string line;
  line.reserve(192);
  line += format == Format::json ? "{\"time\":\"" : "time=";
  append_timestamp(line, unix_ms);
  if (format == Format::json) {
    fmt::format_to(std::back_inserter(line),
                   "\",\"level\":\"{}\",\"process\":\"{}\",\"event\":\"{}\"", level_name(level),
                   process, name);
  } else {
    fmt::format_to(std::back_inserter(line), " level={} process={} event={}", level_name(level),
                   process, name);
  }
  for (const Field& field : fields) append_field(line, format, field);
  if (format == Format::json) line += '}';
  return line;
}

void start(Level level, Format format, std::string_view process) {
  set_level(level);
  writer().start(format, process);
}

void set_level(Level level) noexcept { threshold.store(level, std::memory_order_relaxed); }

bool enabled(Level level) noexcept { return level <= threshold.load(std::memory_order_relaxed); }

void stop() { writer().stop(); }

void event(Level level, std::string_view name, std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  Writer& out = writer();
  std::string line =
      format_line(out.format(), read_clocks().unix_ms, level, out.process(), name, fields);
  if (out.started()) {
    out.enqueue(level, std::move(line));
  } else {
    line += '\n';
    write_all(line);
  }
}

Level parse_level(std::string_view text) noexcept {
  if (text == "error") return Level::error;
  if (text == "warn") return Level::warn;
  if (text == "debug") return Level::debug;
  return Level::info;
}

}  // namespace postern::log

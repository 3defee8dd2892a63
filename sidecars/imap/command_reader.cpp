#include "sidecars/imap/command_reader.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/assert.hpp"
#include "sidecars/imap/limits.hpp"

namespace postern::imap {
namespace {

/// "{4294967295+}": the longest announcement that is looked for at the end of a discarded line.
/// Longer ones only have more leading zeros.
constexpr std::size_t kAnnouncementOctetsMax = 24;

struct Announcement {
  std::uint64_t octets = 0;
  bool synchronising = false;
};

/// The literal announced at the end of `line` (without its line end), if any.
std::optional<Announcement> announcement(std::string_view line) {
  if (line.empty() || line.back() != '}') return std::nullopt;
  const std::size_t open = line.rfind('{');
  if (open == std::string_view::npos) return std::nullopt;
  std::string_view number = line.substr(open + 1, line.size() - open - 2);
  Announcement found{.octets = 0, .synchronising = true};
  if (!number.empty() && (number.back() == '+' || number.back() == '-')) {
    found.synchronising = false;
    number.remove_suffix(1);
  }
  if (number.empty() || number.size() > kAnnouncementOctetsMax) return std::nullopt;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), found.octets);
  if (end != number.data() + number.size()) return std::nullopt;
  // Out of range is still an announcement: of more than anybody accepts.
  if (error == std::errc::result_out_of_range) found.octets = UINT64_MAX;
  return found;
}

std::string_view without_cr(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

std::size_t CommandReader::line_limit() const noexcept {
  return plain_line_ ? kContinuationLineOctetsMax : limit_;
}

CommandReader::Step CommandReader::feed(std::string_view in) {
  if (give_out_) {
    buffer_.clear();
    line_begin_ = 0;
    give_out_ = false;
  }
  std::size_t done = 0;
  while (true) {
    switch (mode_) {
      case Mode::literal: {
        const auto count = std::min<std::uint64_t>(remaining_, in.size() - done);
        buffer_.append(in.substr(done, count));
        done += count;
        remaining_ -= count;
        if (remaining_ > 0) return {.consumed = done};
        mode_ = Mode::line;
        line_begin_ = buffer_.size();
        break;
      }
      case Mode::discard_literal:
      case Mode::discard_line:
        if (!discard(in, done)) {
          const bool overrun = discarded_ > kDiscardOctetsMax;
          return {.kind = overrun ? Step::Kind::overrun : Step::Kind::need_more, .consumed = done};
        }
        break;
      case Mode::line: {
        if (done == in.size()) return {.consumed = done};
        return take_line(in, done);
      }
    }
  }
}

CommandReader::Step CommandReader::take_line(std::string_view in, std::size_t done) {
  const std::size_t newline = in.find('\n', done);
  const bool complete = newline != std::string_view::npos;
  const std::size_t end = complete ? newline : in.size();
  // One octet more than the limit may be the CR of the line end.
  if (buffer_.size() + (end - done) > line_limit() + 1) {
    // Enough of the beginning to find tag and command name.
    if (buffer_.size() < line_limit()) {
      buffer_.append(in.substr(done, std::min(end - done, line_limit() - buffer_.size())));
    }
    Step step{.kind = Step::Kind::too_long, .consumed = done};
    step.text = std::string_view(buffer_).substr(0, line_limit());
    mode_ = Mode::discard_line;
    give_out_ = true;
    plain_line_ = false;
    discarded_ = 0;
    tail_.clear();
    return step;
  }
  if (!complete) {
    buffer_.append(in.substr(done));
    return {.consumed = in.size()};
  }
  return end_of_line(in, done, newline);
}

CommandReader::Step CommandReader::end_of_line(std::string_view in, std::size_t begin,
                                               std::size_t end) {
  const bool whole = buffer_.empty();
  if (!whole) buffer_.append(in.substr(begin, end - begin));
  const std::string_view all = without_cr(whole ? in.substr(begin, end - begin) : buffer_);
  Step step{.consumed = end + 1, .text = all};
  if (plain_line_) {
    plain_line_ = false;
    give_out_ = true;
    step.kind = Step::Kind::line;
    return step;
  }
  const std::size_t line_begin = std::min(line_begin_, all.size());
  if (const auto literal = announcement(all.substr(line_begin))) {
    if (whole) {
      buffer_.assign(all);
    } else {
      buffer_.resize(all.size());
    }
    remaining_ = literal->octets;
    synchronising_ = literal->synchronising;
    step.kind = Step::Kind::literal;
    step.text = buffer_;
    step.literal_octets = literal->octets;
    step.synchronising = literal->synchronising;
    step.fits = buffer_.size() + 2 <= limit_ && literal->octets <= limit_ - buffer_.size() - 2;
    return step;
  }
  give_out_ = true;
  step.kind = Step::Kind::command;
  return step;
}

void CommandReader::accept_literal() {
  buffer_.append("\r\n");
  mode_ = Mode::literal;
}

void CommandReader::refuse_literal() {
  buffer_.clear();
  line_begin_ = 0;
  discarded_ = 0;
  tail_.clear();
  // A client that waits for a continuation request and gets a tagged answer sends nothing of the
  // command.
  mode_ = synchronising_ ? Mode::line : Mode::discard_literal;
}

bool CommandReader::discard(std::string_view in, std::size_t& done) {
  if (mode_ == Mode::discard_literal) {
    const auto count = std::min<std::uint64_t>(remaining_, in.size() - done);
    done += count;
    discarded_ += count;
    remaining_ -= count;
    if (discarded_ > kDiscardOctetsMax || remaining_ > 0) return false;
    mode_ = Mode::discard_line;
    tail_.clear();
  }
  const std::size_t newline = in.find('\n', done);
  const bool complete = newline != std::string_view::npos;
  const std::string_view piece = in.substr(done, (complete ? newline : in.size()) - done);
  done += piece.size() + (complete ? 1 : 0);
  discarded_ += piece.size();
  tail_.append(piece.substr(piece.size() - std::min(piece.size(), kAnnouncementOctetsMax + 4)));
  if (tail_.size() > kAnnouncementOctetsMax + 4) {
    tail_.erase(0, tail_.size() - (kAnnouncementOctetsMax + 4));
  }
  if (discarded_ > kDiscardOctetsMax || !complete) return false;
  const auto literal = announcement(without_cr(tail_));
  tail_.clear();
  if (literal && !literal->synchronising) {
    remaining_ = literal->octets;
    mode_ = Mode::discard_literal;
    return true;
  }
  mode_ = Mode::line;
  return true;
}

void CommandReader::reset() {
  mode_ = Mode::line;
  plain_line_ = false;
  give_out_ = false;
  buffer_.clear();
  tail_.clear();
  line_begin_ = 0;
  remaining_ = 0;
  discarded_ = 0;
}

}  // namespace postern::imap

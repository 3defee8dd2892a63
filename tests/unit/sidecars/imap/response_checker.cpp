#include "tests/unit/sidecars/imap/response_checker.hpp"

#include <algorithm>
#include <charconv>

namespace postern::imap::testing {

bool ResponseChecker::fail(std::string text) {
  if (problem_.empty()) problem_ = text + " at: " + std::string(rest_.substr(0, 120));
  return false;
}

bool ResponseChecker::take(std::string_view word) {
  if (!rest_.starts_with(word)) return false;
  rest_.remove_prefix(word.size());
  return true;
}

bool ResponseChecker::line_end() { return take("\r\n") || fail("a line does not end"); }

bool ResponseChecker::read(std::string_view output, bool cut_off) {
  rest_ = output;
  while (!rest_.empty()) {
    const std::string_view begin = rest_;
    if (ended_) return fail("something follows the end");
    if (response()) continue;
    // Only what lacks its end may be cut off.
    if (cut_off && rest_.empty()) {
      problem_.clear();
      ended_ = true;
      return true;
    }
    problem_ += " in: " + std::string(begin.substr(0, 200));
    return false;
  }
  return true;
}

bool ResponseChecker::response() {
  const bool permanent_flags = rest_.starts_with("* OK [PERMANENTFLAGS ");
  const bool good = any_response();
  after_permanent_flags_ = permanent_flags;
  return good;
}

bool ResponseChecker::any_response() {
  if (take("+ ")) return text_line();
  if (take("* ")) {
    if (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      std::size_t number = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      return (error == std::errc{} && take(" ")) ? numbered(number) : fail("bad number");
    }
    if (take("OK ") || take("NO ") || take("BAD ") || take("BYE ")) return text_line();
    for (const std::string_view name :
         {"FLAGS ", "LIST ", "LSUB ", "STATUS ", "ID ", "NAMESPACE ", "CAPABILITY "}) {
      if (take(name)) return data_until_line_end();
    }
    if (take("SEARCH")) return take("\r\n") || (take(" ") && data_until_line_end());
    return take("ENABLED\r\n") || fail("unknown response");
  }
  const std::size_t space = rest_.find(' ');
  if (space == std::string_view::npos || space == 0) return fail("no tag");
  for (const char octet : rest_.substr(0, space)) {
    if (octet <= 0x20 || octet >= 0x7f) return fail("bad tag");
  }
  rest_.remove_prefix(space + 1);
  if (!take("OK ") && !take("NO ") && !take("BAD ")) return fail("bad status");
  return text_line();
}

bool ResponseChecker::text_line() {
  const std::size_t end = rest_.find("\r\n");
  if (end == std::string_view::npos) {
    rest_ = {};
    return fail("a text does not end");
  }
  for (const char octet : rest_.substr(0, end)) {
    if (octet < 0x20 || octet >= 0x7f) return fail("bad text");
  }
  rest_.remove_prefix(end + 2);
  return true;
}

bool ResponseChecker::data_until_line_end() {
  while (true) {
    if (!value(0)) return false;
    if (take("\r\n")) return true;
    if (!take(" ")) return fail("no space between values");
  }
}

bool ResponseChecker::value(std::size_t depth) {
  if (depth > 200) return fail("nested too deeply");
  if (rest_.empty()) return fail("a value is missing");
  if (rest_.front() == '"') return string();
  if (rest_.front() == '{') return literal();
  if (rest_.front() != '(') return atom();
  rest_.remove_prefix(1);
  if (take(")")) return true;
  while (true) {
    const bool list = rest_.starts_with("(");
    if (!value(depth + 1)) return false;
    if (take(")")) return true;
    // Body structures and address lists put lists directly behind each other.
    if (!take(" ") && !(list && rest_.starts_with("("))) return fail("no space in a list");
  }
}

bool ResponseChecker::string() {
  for (std::size_t at = 1; at < rest_.size(); ++at) {
    const auto octet = static_cast<unsigned char>(rest_[at]);
    if (octet == '"') {
      rest_.remove_prefix(at + 1);
      return true;
    }
    if (octet == '\\') {
      if (++at == rest_.size() || (rest_[at] != '"' && rest_[at] != '\\'))
        return fail("bad escape");
    } else if (octet == 0 || octet == '\r' || octet == '\n' || octet >= 0x80) {
      return fail("bad octet in a string");
    }
  }
  rest_ = {};
  return fail("a string does not end");
}

bool ResponseChecker::literal() {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(rest_.data() + 1, rest_.data() + rest_.size(), size);
  rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
  if (error != std::errc{} || !take("}\r\n")) return fail("bad literal");
  if (size > rest_.size()) {
    rest_ = {};
    return fail("a literal is too short");
  }
  rest_.remove_prefix(size);
  return true;
}

bool ResponseChecker::atom() {
  std::size_t length = 0;
  bool in_section = false, quoted = false;  // a section's field names may be quoted
  for (; length < rest_.size(); ++length) {
    const char octet = rest_[length];
    if (octet == '[' && rest_.substr(0, length) == "BODY") in_section = true;
    if (quoted && octet == '\\') {
      ++length;
      continue;
    }
    if (octet == '"' && in_section) quoted = !quoted;
    if (octet == ']' && !quoted) in_section = false;
    if (in_section && octet != '\r' && octet != '\n') continue;
    if (octet <= 0x20 || octet >= 0x7f || octet == '(' || octet == ')' || octet == '"' ||
        octet == '{') {
      break;
    }
  }
  if (length == 0) return fail("an atom is missing");
  rest_.remove_prefix(length);
  return true;
}

bool ResponseChecker::numbered(std::size_t number) {
  if (take("EXISTS")) {
    // SELECT alone sends EXISTS behind PERMANENTFLAGS: the picture of another mailbox begins.
    if (after_permanent_flags_) uids_.clear();
    if (number < uids_.size()) return fail("EXISTS shrinks");
    uids_.resize(number, 0);
    return line_end();
  }
  if (take("RECENT")) return number == 0 ? line_end() : fail("RECENT is not 0");
  if (take("EXPUNGE")) {
    if (number == 0 || number > uids_.size()) return fail("EXPUNGE of nothing");
    uids_.erase(uids_.begin() + static_cast<std::ptrdiff_t>(number) - 1);
    ++expunges;
    return line_end();
  }
  if (take("FETCH ")) return fetch(number);
  return fail("unknown number response");
}

bool ResponseChecker::fetch(std::size_t number) {
  if (number == 0 || number > uids_.size()) return fail("FETCH of nothing");
  if (!take("(")) return fail("FETCH without list");
  while (true) {
    const bool is_uid = rest_.starts_with("UID ");
    if (!atom() || !take(" ")) return fail("bad FETCH item");
    const std::string_view before = rest_;
    if (!value(1)) return false;
    if (is_uid) {
      std::uint32_t uid = 0;
      std::from_chars(before.data(), before.data() + before.size(), uid);
      std::uint32_t& known = uids_[number - 1];
      if (uid == 0 || (known != 0 && known != uid)) return fail("a sequence number moved");
      known = uid;
    }
    if (take(")")) return line_end();
    if (!take(" ")) return fail("no space between FETCH items");
  }
}

}  // namespace postern::imap::testing

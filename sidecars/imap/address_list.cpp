#include "sidecars/imap/address_list.hpp"

#include <optional>

#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/response.hpp"

namespace postern::imap {
namespace {

bool is_blank(char octet) noexcept {
  return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/// Reads one list from left to right, appending each address as it is complete.
class AddressWriter {
 public:
  AddressWriter(std::string& out, std::string_view text) : out_(out), text_(text) {}

  bool write() {
    while (!text_.empty() && count_ < kEnvelopeAddressesMax) step();
    end_address();
    if (in_group_) end_group();
    return count_ > 0;
  }

 private:
  void step() {
    const char octet = text_.front();
    switch (octet) {
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        blank_ = true;
        text_.remove_prefix(1);
        return;
      case '(':
        comment();
        return;
      case '"':
        add_word(quoted());
        return;
      case ',':
        text_.remove_prefix(1);
        end_address();
        return;
      case ';':
        text_.remove_prefix(1);
        end_address();
        if (in_group_) end_group();
        return;
      case ':':
        text_.remove_prefix(1);
        begin_group();
        return;
      case '<':
        text_.remove_prefix(1);
        angle_address();
        return;
      case '@':
        text_.remove_prefix(1);
        host_ = domain();
        return;
      case '>':
      case ')':
        text_.remove_prefix(1);  // unmatched
        return;
      default:
        add_word(atom());
        return;
    }
  }

  void add_word(std::string_view word) {
    if (has_words_ && blank_) words_.push_back(' ');
    words_.append(word);
    has_words_ = true;
    blank_ = false;
  }

  std::string_view atom() {
    std::size_t length = 0;
    while (length < text_.size() && !is_blank(text_[length]) &&
           std::string_view("()<>@,;:\"").find(text_[length]) == std::string_view::npos) {
      ++length;
    }
    const std::string_view found = text_.substr(0, length);
    text_.remove_prefix(length);
    return found;
  }

  std::string quoted() {
    std::string value;
    text_.remove_prefix(1);
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\' && text_.size() > 1) text_.remove_prefix(1);
      value.push_back(text_.front());
      text_.remove_prefix(1);
    }
    if (!text_.empty()) text_.remove_prefix(1);
    return value;
  }

  /// The outermost comment's text: "user@host (Name)" is an old way to give a name.
  void comment() {
    std::string value;
    std::size_t depth = 0;
    while (!text_.empty()) {
      const char octet = text_.front();
      const bool escaped = octet == '\\' && text_.size() > 1;
      if (octet == '(' && depth++ > 0) value.push_back(octet);
      if (octet == ')' && --depth > 0) value.push_back(octet);
      if (escaped) {
        value.push_back(text_[1]);
      } else if (octet != '(' && octet != ')') {
        value.push_back(octet);
      }
      text_.remove_prefix(escaped ? 2 : 1);
      if (depth == 0) break;
    }
    comment_ = std::move(value);
    blank_ = true;
  }

  /// Everything up to the end of the domain, blanks and comments left out.
  std::string domain() {
    std::string value;
    bool literal = false;
    while (!text_.empty()) {
      const char octet = text_.front();
      if (!literal && octet == '(') {
        comment();
        continue;
      }
      if (!literal && std::string_view(",;:<>@\")").find(octet) != std::string_view::npos) break;
      if (octet == '[') literal = true;
      if (octet == ']') literal = false;
      if (!is_blank(octet)) value.push_back(octet);
      text_.remove_prefix(1);
    }
    return value;
  }

  /// Behind "<": [route ":"] local-part "@" domain ">".
  void angle_address() {
    personal_ = has_words_ ? std::optional<std::string>(std::move(words_)) : std::nullopt;
    words_.clear();
    has_words_ = false;
    if (text_.starts_with('@')) {
      const std::size_t end = text_.find_first_of(":>");
      if (end != std::string_view::npos && text_[end] == ':') {
        route_ = std::string(text_.substr(0, end));
        text_.remove_prefix(end + 1);
      }
    }
    angle_ = true;
    while (!text_.empty() && text_.front() != '>') {
      const char octet = text_.front();
      if (octet == '@') {
        text_.remove_prefix(1);
        host_ = domain();
      } else if (octet == '"') {
        blank_ = false;
        add_word(quoted());
      } else if (octet == '(') {
        comment();
      } else {
        if (!is_blank(octet)) {
          blank_ = false;
          add_word(text_.substr(0, 1));
        }
        text_.remove_prefix(1);
      }
    }
    if (!text_.empty()) text_.remove_prefix(1);
  }

  void end_address() {
    if (has_words_ || host_ || angle_) {
      if (!personal_ && comment_) personal_ = std::move(comment_);
      // Without a domain the host is empty and not NIL: NIL marks a group.
      put(personal_, route_, words_, host_.value_or(""));
    }
    clear();
  }

  void begin_group() {
    put(std::nullopt, std::nullopt, words_, std::nullopt);
    clear();
    in_group_ = true;
  }

  void end_group() {
    put(std::nullopt, std::nullopt, std::nullopt, std::nullopt);
    in_group_ = false;
  }

  void clear() {
    words_.clear();
    has_words_ = blank_ = angle_ = false;
    personal_.reset();
    route_.reset();
    host_.reset();
    comment_.reset();
  }

  void put(const std::optional<std::string>& personal, const std::optional<std::string>& route,
           const std::optional<std::string>& mailbox, const std::optional<std::string>& host) {
    out_.push_back('(');
    ++count_;
    char before = '\0';
    for (const auto* member : {&personal, &route, &mailbox, &host}) {
      if (before != '\0') out_.push_back(before);
      before = ' ';
      if (*member) {
        append_string(out_, **member);
      } else {
        out_.append("NIL");
      }
    }
    out_.push_back(')');
  }

  std::string& out_;
  std::string_view text_;
  std::string words_;  // phrase or local part so far
  bool has_words_ = false;
  bool blank_ = false;  // before the next word
  bool angle_ = false;
  bool in_group_ = false;
  std::size_t count_ = 0;
  std::optional<std::string> personal_, route_, host_, comment_;
};

}  // namespace

void append_address_list(std::string& out, std::string_view value) {
  const std::size_t begin = out.size();
  out.push_back('(');
  if (AddressWriter(out, value).write()) {
    out.push_back(')');
  } else {
    out.resize(begin);
    out.append("NIL");
  }
}

}  // namespace postern::imap

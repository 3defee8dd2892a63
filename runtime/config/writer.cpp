#include "runtime/config/writer.hpp"

#include <fmt/format.h>

namespace postern::config {
namespace {

constexpr std::size_t kCommentColumns = 98;

/// `text` as TOML basic string.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20 || octet == 0x7f) {
      out += fmt::format("\\u{:04X}", octet);
    } else {
      out += c;
    }
  }
  return out + '"';
}

class Writer final : public Binder {
 public:
  Writer(std::string& out, std::string path, bool comments)
      : out_(out), path_(std::move(path)), comments_(comments) {}

  bool reading() const override { return false; }
  bool has(std::string_view) const override { return false; }

  void text(std::string_view key, std::string& value, std::string_view doc,
            const TextCheck&) override {
    line(key, quoted(value), doc);
  }
  void texts(std::string_view key, std::vector<std::string>& values, std::string_view doc,
             const TextCheck&, EmptyList) override {
    std::string list;
    for (const std::string& value : values) list += (list.empty() ? "" : ", ") + quoted(value);
    line(key, "[" + list + "]", doc);
  }
  void flag(std::string_view key, bool& value, std::string_view doc) override {
    line(key, value ? "true" : "false", doc);
  }
  void table(std::string_view key, std::string_view doc,
             const std::function<void(Binder&)>& body) override {
    const std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    out_ += "\n";
    comment(doc);
    out_ += fmt::format("[{}]\n", path);
    tables_began_ = true;
    Writer writer(out_, path, comments_);
    body(writer);
  }
  void require(bool, std::initializer_list<std::string_view>, std::string_view,
               std::string_view) override {}

 protected:
  void number(std::string_view key, std::uint64_t& value, Unit unit, Range range,
              std::string_view doc) override {
    const std::string text = format_quantity(value, unit);
    const bool plain = unit == Unit::count || value == 0;
    line(key, plain ? text : quoted(text),
         fmt::format("{} Allowed: {}.", doc, format_range(range, unit)));
  }
  void choice_index(std::string_view key, std::size_t& index,
                    std::span<const std::string_view> words, std::string_view doc) override {
    std::string list;
    for (const std::string_view word : words) {
      if (!list.empty()) list += ", ";
      list += word;
    }
    line(key, quoted(words[index]), fmt::format("{} One of: {}.", doc, list));
  }
  void table_array(std::string_view key, std::size_t count, std::string_view doc,
                   const std::function<void(std::size_t)>&,
                   const std::function<void(Binder&, std::size_t)>& row) override {
    const std::string path = fmt::format("{}.{}", path_, key);
    if (count == 0) return line(key, "[]", doc);
    tables_began_ = true;
    for (std::size_t i = 0; i < count; ++i) {
      out_ += "\n";
      if (i == 0) comment(doc);
      out_ += fmt::format("[[{}]]\n", path);
      Writer writer(out_, path, comments_ && i == 0);
      row(writer, i);
    }
  }

 private:
  void comment(std::string_view doc) {
    if (!comments_) return;
    std::string row = "#";
    while (!doc.empty()) {
      const std::string_view word = doc.substr(0, doc.find(' '));
      doc.remove_prefix(std::min(doc.size(), word.size() + 1));
      if (row.size() + 1 + word.size() > kCommentColumns) {
        out_ += row + "\n";
        row = "#";
      }
      row += " ";
      row += word;
    }
    out_ += row + "\n";
  }
  void line(std::string_view key, std::string_view value, std::string_view doc) {
    POSTERN_ASSERT(!tables_began_);  // TOML would read it as a key of the sub-table
    comment(doc);
    out_ += fmt::format("{} = {}\n", key, value);
  }

  std::string& out_;
  const std::string path_;
  const bool comments_;
  bool tables_began_ = false;
};

}  // namespace

std::string write_toml(const std::function<void(Binder&)>& body) {
  std::string out;
  Writer writer(out, "", true);
  body(writer);
  return out;
}

}  // namespace postern::config

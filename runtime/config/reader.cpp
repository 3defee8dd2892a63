#include "runtime/config/reader.hpp"

#include <algorithm>
#include <errno.h>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <toml++/toml.h>
#include <unistd.h>
#include <utility>

namespace postern::config {
namespace {

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return node.is_array_of_tables() ? "an array of tables" : "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a fractional number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

/// What all readers of one file share.
struct File {
  std::string name;
  std::vector<ConfigProblem> problems;
};

/// Reads one table. Lives for one call of a bind() function.
class Reader final : public Binder {
 public:
  Reader(File& file, const toml::table& table, std::string path, toml::source_position place)
      : file_(file), table_(table), path_(std::move(path)), place_(place) {}

  bool reading() const override { return true; }
  bool has(std::string_view key) const override { return table_.get(key) != nullptr; }

  void text(std::string_view key, std::string& value, std::string_view doc,
            const TextCheck& check) override;
  void texts(std::string_view key, std::vector<std::string>& values, std::string_view doc,
             const TextCheck& check_each, EmptyList empty) override;
  void flag(std::string_view key, bool& value, std::string_view doc) override;
  void table(std::string_view key, std::string_view doc,
             const std::function<void(Binder&)>& body) override;
  void require(bool holds, std::initializer_list<std::string_view> keys, std::string_view what,
               std::string_view remedy) override;

  /// After bind(): whatever nobody asked for is unknown.
  void report_unknown_keys();

 protected:
  void number(std::string_view key, std::uint64_t& value, Unit unit, Range range,
              std::string_view doc) override;
  void choice_index(std::string_view key, std::size_t& index,
                    std::span<const std::string_view> words, std::string_view doc) override;
  void table_array(std::string_view key, std::size_t count, std::string_view doc,
                   const std::function<void(std::size_t)>& resize,
                   const std::function<void(Binder&, std::size_t)>& row) override;

 private:
  const toml::node* find(std::string_view key) {
    known_.emplace_back(key);
    return table_.get(key);
  }
  std::string full_name(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }
  void report(std::string_view key, toml::source_position place, std::string what,
              std::string remedy) {
    faulty_.emplace(key);
    file_.problems.push_back(ConfigProblem{file_.name, place.line, place.column, full_name(key),
                                           std::move(what), std::move(remedy)});
  }
  void report(std::string_view key, const toml::node& node, std::string what, std::string remedy) {
    report(key, node.source().begin, std::move(what), std::move(remedy));
  }
  void wrong_type(std::string_view key, const toml::node& node, std::string_view wanted,
                  std::string example) {
    report(key, node, fmt::format("must be {}, is {}", wanted, type_name(node)),
           fmt::format("write for example: {}", example));
  }
  std::optional<std::uint64_t> quantity(std::string_view key, const toml::node& node, Unit unit,
                                        Range range, const std::string& example);

  File& file_;
  const toml::table& table_;
  const std::string path_;                     // "" for the root, else "gateway.listener"
  const toml::source_position place_;          // of the table itself
  std::vector<std::string> known_;             // keys that bind() asked for
  std::set<std::string, std::less<>> faulty_;  // keys with a problem already
};

void Reader::text(std::string_view key, std::string& value, std::string_view,
                  const TextCheck& check) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const auto* string = node->as_string();
  if (string == nullptr) {
    return wrong_type(key, *node, "a string", fmt::format("{} = \"{}\"", key, value));
  }
  if (check) {
    if (auto complaint = check(string->get())) {
      return report(key, *node, std::move(complaint->what), std::move(complaint->remedy));
    }
  }
  value = string->get();
}

void Reader::texts(std::string_view key, std::vector<std::string>& values, std::string_view,
                   const TextCheck& check_each, EmptyList empty) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const auto* array = node->as_array();
  const std::string example = fmt::format("{} = [\"{}\"]", key, fmt::join(values, "\", \""));
  if (array == nullptr) return wrong_type(key, *node, "a list of strings", example);
  if (array->empty() && empty == EmptyList::refused) {
    return report(key, *node, "is an empty list", "name at least one or remove the line");
  }
  std::vector<std::string> read;
  for (const toml::node& element : *array) {
    const auto* string = element.as_string();
    if (string == nullptr) {
      wrong_type(key, element, "a list of strings", example);
      continue;
    }
    if (check_each) {
      if (auto complaint = check_each(string->get())) {
        report(key, element, std::move(complaint->what), std::move(complaint->remedy));
        continue;
      }
    }
    read.push_back(string->get());
  }
  values = std::move(read);
}

void Reader::flag(std::string_view key, bool& value, std::string_view) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const auto* boolean = node->as_boolean();
  if (boolean == nullptr) {
    return wrong_type(key, *node, "true or false", fmt::format("{} = {}", key, value));
  }
  value = boolean->get();
}

std::optional<std::uint64_t> Reader::quantity(std::string_view key, const toml::node& node,
                                              Unit unit, Range range, const std::string& example) {
  if (const auto* integer = node.as_integer()) {
    if (integer->get() >= 0) return static_cast<std::uint64_t>(integer->get());
    report(key, node,
           fmt::format("is {}, allowed is {}", integer->get(), format_range(range, unit)),
           fmt::format("write for example: {}", example));
    return std::nullopt;
  }
  const auto* string = node.as_string();
  if (string == nullptr) {
    const std::string_view wanted = unit == Unit::count    ? "a whole number"
                                    : unit == Unit::octets ? "a size"
                                                           : "a duration";
    wrong_type(key, node, wanted, example);
    return std::nullopt;
  }
  if (string->get() == "unlimited" && range.zero_is_off) return 0;
  if (string->get() == "off" && range.zero_is_none) return 0;
  if (unit != Unit::count) {
    if (const auto parsed = parse_quantity(string->get(), unit)) return parsed;
  }
  const std::string_view wanted =
      unit == Unit::count ? "a whole number without quotes"
      : unit == Unit::octets
          ? "a size: a whole number of octets or a string with the unit B, KiB, MiB, GiB or TiB"
          : "a duration: a whole number of seconds or a string with the unit s, min, h or d";
  report(key, node, fmt::format("\"{}\" is not {}", string->get(), wanted),
         fmt::format("write for example: {}", example));
  return std::nullopt;
}

void Reader::number(std::string_view key, std::uint64_t& value, Unit unit, Range range,
                    std::string_view) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const std::string quote = unit == Unit::count || value == 0 ? "" : "\"";
  const std::string example =
      fmt::format("{} = {}{}{}", key, quote, format_quantity(value, unit), quote);
  const auto read = quantity(key, *node, unit, range, example);
  if (!read) return;
  const bool off = *read == 0 && (range.zero_is_off || range.zero_is_none);
  if (!off && (*read < range.min || *read > range.max)) {
    return report(key, *node,
                  fmt::format("is {}, allowed is {}", format_quantity(*read, unit),
                              format_range(range, unit)),
                  fmt::format("write for example: {}", example));
  }
  value = *read;
}

void Reader::choice_index(std::string_view key, std::size_t& index,
                          std::span<const std::string_view> words, std::string_view) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const auto* string = node->as_string();
  const std::string example = fmt::format("{} = \"{}\"", key, words[index]);
  if (string == nullptr) return wrong_type(key, *node, "a string", example);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == string->get()) {
      index = i;
      return;
    }
  }
  const std::vector<std::string> known(words.begin(), words.end());
  const std::string_view nearest = nearest_name(string->get(), known);
  report(key, *node,
         fmt::format("is \"{}\", allowed is one of {}", string->get(), fmt::join(words, ", ")),
         nearest.empty() ? fmt::format("write for example: {}", example)
                         : fmt::format("did you mean \"{}\"?", nearest));
}

void Reader::table(std::string_view key, std::string_view,
                   const std::function<void(Binder&)>& body) {
  const toml::node* node = find(key);
  const toml::table empty;
  const toml::table* table = &empty;
  toml::source_position place = place_;
  if (node != nullptr) {
    if (node->as_table() == nullptr) {
      const std::string header = full_name(key);
      report(key, *node, fmt::format("must be a table, is {}", type_name(*node)),
             fmt::format("write [{}] on a line of its own and its keys below", header));
    } else {
      table = node->as_table();
      place = node->source().begin;
    }
  }
  // An absent table is read too: its bind() fills in derived defaults and checks relations.
  Reader reader(file_, *table, full_name(key), place);
  body(reader);
  reader.report_unknown_keys();
}

void Reader::table_array(std::string_view key, std::size_t, std::string_view,
                         const std::function<void(std::size_t)>& resize,
                         const std::function<void(Binder&, std::size_t)>& row) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const auto* array = node->as_array();
  if (array == nullptr || !(array->empty() || array->is_array_of_tables())) {
    return report(key, *node, fmt::format("must be an array of tables, is {}", type_name(*node)),
                  fmt::format("write [[{}]] with two brackets on each side", full_name(key)));
  }
  resize(array->size());
  for (std::size_t i = 0; i < array->size(); ++i) {
    const toml::table& table = *array->get(i)->as_table();
    Reader reader(file_, table, full_name(key), table.source().begin);
    row(reader, i);
    reader.report_unknown_keys();
  }
}

void Reader::require(bool holds, std::initializer_list<std::string_view> keys,
                     std::string_view what, std::string_view remedy) {
  if (holds) return;
  for (std::string_view key : keys) {
    if (faulty_.contains(key)) return;
  }
  for (std::string_view key : keys) {
    const toml::node* node = table_.get(key);
    if (node != nullptr) return report(key, *node, std::string(what), std::string(remedy));
  }
  report(*keys.begin(), place_, std::string(what), std::string(remedy));
}

void Reader::report_unknown_keys() {
  for (const auto& [key, node] : table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    const std::string_view nearest = nearest_name(key.str(), known_);
    report(key.str(), key.source().begin, "is not a known key",
           nearest.empty() ? fmt::format("known here: {}", fmt::join(known_, ", "))
                           : fmt::format("did you mean {}?", nearest));
  }
}

}  // namespace

std::vector<ConfigProblem> read_toml(std::string_view text, const std::string& file_name,
                                     const std::function<void(Binder&)>& body) {
  File file{file_name, {}};
  try {
    const toml::table root = toml::parse(text, file_name);
    Reader reader(file, root, "", toml::source_position{});
    body(reader);
    reader.report_unknown_keys();
  } catch (const toml::parse_error& error) {
    const toml::source_position place = error.source().begin;
    file.problems.push_back(
        ConfigProblem{file_name, place.line, place.column, "",
                      fmt::format("is not valid TOML: {}", error.description()),
                      "mend this line; the rest of the file is checked once it can be read"});
  } catch (const std::exception& error) {
    file.problems.push_back(ConfigProblem{file_name, 0, 0, "",
                                          fmt::format("cannot be read: {}", error.what()),
                                          "make the file smaller or give the process more memory"});
  }
  return std::move(file.problems);
}

Result<std::string> read_config_file(const std::string& path) {
  const auto failed = [&](int number) {
    const ErrorCode code = number == ENOENT   ? ErrorCode::not_found
                           : number == EACCES ? ErrorCode::permission_denied
                                              : ErrorCode::io;
    return fail(code, std::generic_category().message(number));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(errno);
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int number = errno;
      ::close(fd);
      return failed(number);
    }
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kConfigFileOctetsMax) {
      ::close(fd);
      return fail(
          ErrorCode::exhausted,
          fmt::format("it is larger than {}", format_quantity(kConfigFileOctetsMax, Unit::octets)));
    }
  }
  ::close(fd);
  return text;
}

}  // namespace postern::config

// The seam between a struct of settings and its file. A settings struct is described once, by a
// function
//     void bind(Binder& b, LogSettings& s) { b.word("level", s.level, kLevels, "How much is
//     logged."); }
// and that description serves the reader (runtime/config/reader.hpp: TOML into the struct, every
// problem found) and the writer (runtime/config/writer.hpp: the struct into commented TOML).
//
// The value a member has before it is read is its default. Order within bind(): plain keys first,
// then tables, as TOML needs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/assert.hpp"
#include "runtime/config/units.hpp"

namespace postern::config {

/// What a number may be, in base units (octets, seconds).
struct Range {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  bool zero_is_off = false;   ///< 0 and "unlimited" are accepted too and switch the limit off
  bool zero_is_none = false;  ///< 0 and "off" are accepted too: not done at all
};

/// A value's fault, found by a TextCheck.
struct Complaint {
  std::string what;
  std::string remedy;
};

/// Looks at a text value; nullopt: it is fine. Called when reading only.
using TextCheck = std::function<std::optional<Complaint>(std::string_view)>;

/// A word of the file and the enumerator it stands for.
template <class E>
struct Choice {
  std::string_view word;
  E value;
};

/// Visits the keys of one table. `key` and `doc` must outlive the call only; `doc` is a sentence or
/// two for the people who edit the file.
class Binder {
 public:
  virtual ~Binder() = default;

  /// true: values come from a file now. A bind() function uses it for defaults that hang on another
  /// key.
  virtual bool reading() const = 0;
  /// Reading: the file has this key in the present table.
  virtual bool has(std::string_view key) const = 0;

  virtual void text(std::string_view key, std::string& value, std::string_view doc,
                    const TextCheck& check = {}) = 0;
  /// What an empty list of strings means.
  enum class EmptyList : std::uint8_t { refused, allowed };
  /// A list of strings.
  virtual void texts(std::string_view key, std::vector<std::string>& values, std::string_view doc,
                     const TextCheck& check_each = {}, EmptyList empty = EmptyList::refused) = 0;
  virtual void flag(std::string_view key, bool& value, std::string_view doc) = 0;

  void count(std::string_view key, std::uint32_t& value, Range range, std::string_view doc) {
    number32(key, value, Unit::count, range, doc);
  }
  void octets(std::string_view key, std::uint64_t& value, Range range, std::string_view doc) {
    number(key, value, Unit::octets, range, doc);
  }
  void octets(std::string_view key, std::uint32_t& value, Range range, std::string_view doc) {
    number32(key, value, Unit::octets, range, doc);
  }
  void duration(std::string_view key, std::chrono::seconds& value, Range range,
                std::string_view doc) {
    auto value_seconds = static_cast<std::uint64_t>(value.count());
    number(key, value_seconds, Unit::time, range, doc);
    value = std::chrono::seconds(value_seconds);
  }

  /// One of some words, kept as text.
  void word(std::string_view key, std::string& value, std::span<const std::string_view> allowed,
            std::string_view doc) {
    std::size_t index = allowed.size();
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      if (allowed[i] == value) index = i;
    }
    POSTERN_ASSERT(index < allowed.size());
    choice_index(key, index, allowed, doc);
    value = allowed[index];
  }
  /// One of some words, kept as an enumerator.
  template <class E>
  void choice(std::string_view key, E& value, std::span<const Choice<E>> choices,
              std::string_view doc) {
    std::vector<std::string_view> words;
    std::size_t index = choices.size();
    for (const Choice<E>& choice : choices) {
      if (choice.value == value) index = words.size();
      words.push_back(choice.word);
    }
    POSTERN_ASSERT(index < choices.size());
    choice_index(key, index, words, doc);
    value = choices[index].value;
  }

  /// A sub-table; `body` binds its keys.
  virtual void table(std::string_view key, std::string_view doc,
                     const std::function<void(Binder&)>& body) = 0;

  /// An array of tables, `[[path.key]]`. If the file has it, the defaults in `rows` are replaced as
  /// a whole; `key = []` gives none.
  template <class T, class Body>
  void tables(std::string_view key, std::vector<T>& rows, std::string_view doc, Body&& body) {
    table_array(
        key, rows.size(), doc,
        [&rows](std::size_t count) {
          rows.clear();
          rows.resize(count);
        },
        [&rows, &body](Binder& b, std::size_t index) { body(b, rows[index]); });
  }

  /// Reading: a condition between keys of this table. If it does not hold, it is reported at the
  /// first of `keys` that the file has (the table itself if it has none). Only one whose values
  /// were all read without a problem is reported: consequences of an earlier problem would confuse.
  virtual void require(bool holds, std::initializer_list<std::string_view> keys,
                       std::string_view what, std::string_view remedy) = 0;

 protected:
  virtual void number(std::string_view key, std::uint64_t& value, Unit unit, Range range,
                      std::string_view doc) = 0;
  virtual void choice_index(std::string_view key, std::size_t& index,
                            std::span<const std::string_view> words, std::string_view doc) = 0;
  virtual void table_array(std::string_view key, std::size_t count, std::string_view doc,
                           const std::function<void(std::size_t)>& resize,
                           const std::function<void(Binder&, std::size_t)>& row) = 0;

 private:
  void number32(std::string_view key, std::uint32_t& value, Unit unit, Range range,
                std::string_view doc) {
    POSTERN_ASSERT(range.max <= UINT32_MAX);
    std::uint64_t wide = value;
    number(key, wide, unit, range, doc);
    value = static_cast<std::uint32_t>(wide);
  }
};

/// "1 to 100", "1KiB to 1GiB, or 0 (off)".
std::string format_range(Range range, Unit unit);

}  // namespace postern::config

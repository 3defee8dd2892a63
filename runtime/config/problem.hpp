// What can be wrong with a configuration file, as a value for people: where, which key, what, and
// what to do about it. The layer above collects all of them and shows them at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

/// One thing wrong in a configuration file.
struct ConfigProblem {
  std::string file;
  std::uint32_t line = 0;    ///< 1-based; 0: the problem is the file as a whole
  std::uint32_t column = 0;  ///< 1-based, in characters
  std::string key;           ///< "runtime.cores"; empty when no key is concerned
  std::string what;          ///< what is wrong
  std::string remedy;        ///< what to write instead
  friend bool operator==(const ConfigProblem&, const ConfigProblem&) = default;
};

/// "file:line:column: key: what; remedy", one line, without a line feed.
std::string describe(const ConfigProblem& problem);

/// All of them, a line each with a line feed, in the order of the file.
std::string describe(std::span<const ConfigProblem> problems);

/// The name in `known` that a writer of `word` most likely meant, ignoring case and '-' for '_';
/// empty if none is near. The view is into `known`.
std::string_view nearest_name(std::string_view word, std::span<const std::string> known);

}  // namespace postern::config

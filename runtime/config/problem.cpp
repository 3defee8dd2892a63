#include "runtime/config/problem.hpp"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>
#include <tuple>

namespace postern::config {
namespace {

std::string folded(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c == '-') c = '_';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// Edit distance in which swapping two neighbours counts as one step, the commonest slip of
/// fingers.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> steps(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) steps[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) steps[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      std::size_t best = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        best = std::min(best, steps[i - 2][j - 2] + 1);
      }
      steps[i][j] = best;
    }
  }
  return steps[a.size()][b.size()];
}

}  // namespace

std::string describe(const ConfigProblem& problem) {
  std::string out = problem.file;
  if (problem.line > 0) out += fmt::format(":{}:{}", problem.line, problem.column);
  out += ": ";
  if (!problem.key.empty()) out += problem.key + ": ";
  out += problem.what;
  if (!problem.remedy.empty()) out += "; " + problem.remedy;
  return out;
}

std::string describe(std::span<const ConfigProblem> problems) {
  std::vector<const ConfigProblem*> ordered;
  for (const ConfigProblem& problem : problems) ordered.push_back(&problem);
  // Equal places keep the order found: `ordered` points into one array.
  std::ranges::sort(ordered, [](const ConfigProblem* a, const ConfigProblem* b) {
    return std::tie(a->line, a->column, a) < std::tie(b->line, b->column, b);
  });
  std::string out;
  for (const ConfigProblem* problem : ordered) out += describe(*problem) + "\n";
  return out;
}

std::string_view nearest_name(std::string_view word, std::span<const std::string> known) {
  // Longer words are guesses about something else (or noise): the table above would only cost time.
  constexpr std::size_t kWordOctetsMax = 64;
  if (word.size() > kWordOctetsMax) return {};
  // A third of the word may be wrong: beyond that a suggestion is noise rather than help.
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::string_view best;
  for (const std::string& name : known) {
    const std::size_t distance = edit_distance(folded(word), folded(name));
    if (distance < best_distance && distance < name.size()) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace postern::config

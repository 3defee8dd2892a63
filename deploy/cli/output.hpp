// Text and JSON for people and programs. What comes from mail clients is made harmless for
// terminals.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace postern::cli {

/// A table with aligned columns. Cells are made harmless by the table itself.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  /// As many cells as the header has.
  void add(std::vector<std::string> row);
  /// Header and rows, columns two spaces apart, a line feed behind each row.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Control characters (C0, DEL, C1) as "\x1b": mail clients choose these octets, a terminal obeys
/// them.
std::string harmless(std::string_view text);

/// harmless(), line by line, each indented by two spaces.
std::string harmless_lines(std::string_view text);

/// "2026-01-31 13:45:00" in the user's time zone; "-" for 0.
std::string local_time(std::int64_t unix_ms);

/// "2026-01-31T12:45:00Z".
std::string iso_time(std::int64_t unix_ms);

/// "4.1 KiB": for reading, not for computing.
std::string readable_size(std::uint64_t octets);

/// Prints indented JSON and a line feed to standard output. Octets that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::json& value);

}  // namespace postern::cli

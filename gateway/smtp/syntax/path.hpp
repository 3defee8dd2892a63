// Paths and addresses of MAIL and RCPT: RFC 5321 4.1.2 and 4.1.3, with RFC 6531's UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::smtp {

/// RFC 5321 4.5.3.1.1 to 4.5.3.1.3, octets as written.
inline constexpr std::size_t kLocalPartOctetsMax = 64;
inline constexpr std::size_t kDomainOctetsMax = 255;
inline constexpr std::size_t kPathOctetsMax = 256;  ///< with brackets and source route

/// A parsed path. Views into the input.
struct Path {
  std::string_view
      mailbox;  ///< what is between the brackets, without source route; empty: null path
  std::string_view local_part;  ///< as written, quotes included
  std::string_view domain;  ///< as written; "[...]" for an address literal; empty: none was given
  bool quoted = false;      ///< the local part is a quoted string
  bool has_utf8 = false;    ///< any octet above 127: SMTPUTF8 is needed
  bool null_path() const noexcept { return mailbox.empty(); }
};

enum class PathError : std::uint8_t {
  none,
  no_path,  ///< there is no "<" to begin with
  invalid,  ///< not an address, or not UTF-8, or beyond a limit
};

struct PathResult {
  PathError error = PathError::none;
  Path path;
  std::string_view rest;  ///< what follows the closing bracket
};

/// Parses a path at the start of `in`. A source route (RFC 5321 appendix C) is checked and ignored.
/// A local part without a domain is accepted here; callers know where it may stand.
PathResult parse_path(std::string_view in) noexcept;
/// Parses "local@domain" without brackets, the whole of `in` (the value of MAIL's AUTH=).
bool is_mailbox(std::string_view in) noexcept;
/// A domain name: labels of letters, digits, '-', '_' and UTF-8, 1 to 63 octets each, not beginning
/// or ending with '-'. '_' is not in RFC 5321 but in use.
bool is_domain(std::string_view domain) noexcept;
/// "[127.0.0.1]" or "[IPv6:...]" (RFC 5321 4.1.3).
bool is_address_literal(std::string_view text) noexcept;
/// The local part's meaning: without quotes and backslashes.
std::string unquoted(const Path& path);

}  // namespace postern::smtp

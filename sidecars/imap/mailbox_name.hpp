// Mailbox names: UTF-8 inside, modified UTF-7 on the wire (RFC 3501 5.1.3), compared without regard
// to case (IMAP-13 to IMAP-17).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/types.hpp"

namespace postern::imap {

inline constexpr char kHierarchyDelimiter = '/';

/// UTF-8 to modified UTF-7. Octets that are no UTF-8 become U+FFFD.
std::string to_wire_name(std::string_view utf8);

/// Modified UTF-7 to UTF-8. 8-bit octets that are valid UTF-8 pass as they are (IMAP-04). nullopt
/// when a shift sequence is malformed or stands for a control character.
std::optional<std::string> from_wire_name(std::string_view wire);

/// A name with the case taken out: ASCII, Latin-1, Greek and Cyrillic letters. Two names with equal
/// folds are the same mailbox.
std::string fold_name(std::string_view utf8);

/// "INBOX" in any case.
bool is_inbox(std::string_view utf8) noexcept;

/// The folder of that name; nullptr if there is none.
const store::Folder* find_folder(const std::vector<store::Folder>& folders, std::string_view utf8);

/// Takes one code point from the front of `text` (not empty). What is no UTF-8 gives U+FFFD and
/// uses one octet.
char32_t take_code_point(std::string_view& text) noexcept;
void append_utf8(std::string& out, char32_t code_point);
/// Case-folds one code point as fold_name() does.
char32_t fold_code_point(char32_t code_point) noexcept;

}  // namespace postern::imap

// Base64 (RFC 4648 section 4) as SASL profiles use it: strict, so that one text has one meaning.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::sasl {

/// Decodes. nullopt: a character outside the alphabet (white space too), wrong padding, or bits
/// behind the last octet that are not zero. The result's size is bounded by the input's.
std::optional<std::string> decode_base64(std::string_view text);
/// Encodes with padding, on one line.
std::string encode_base64(std::string_view octets);

}  // namespace postern::sasl

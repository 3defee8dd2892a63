#include "store/address.hpp"

#include <algorithm>
#include <array>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uidna.h>
#include <unicode/unistr.h>

namespace postern::store {

namespace {

char fold(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_ascii(std::string_view text) noexcept {
  unsigned char all = 0;
  for (const char c : text) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
  return all < 0x80;
}

// Opened once and never closed: immutable, and usable from all threads (ICU's rule).
const UIDNA* idna() {
  static const UIDNA* const opened = [] {
    UErrorCode status = U_ZERO_ERROR;
    UIDNA* made = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_CHECK_BIDI |
                                      UIDNA_CHECK_CONTEXTJ | UIDNA_USE_STD3_RULES,
                                  &status);
    return U_SUCCESS(status) ? made : nullptr;
  }();
  return opened;
}

}  // namespace

std::string fold_case(std::string_view text) {
  std::string folded(text);
  std::ranges::transform(folded, folded.begin(), fold);
  return folded;
}

std::string canonical_domain(std::string_view domain) {
  if (is_ascii(domain) || idna() == nullptr) return fold_case(domain);
  // Longer than any domain name: a result that does not fit is none.
  std::array<char, 512> out{};
  UErrorCode status = U_ZERO_ERROR;
  UIDNAInfo info = UIDNA_INFO_INITIALIZER;
  const std::int32_t length =
      uidna_nameToASCII_UTF8(idna(), domain.data(), static_cast<std::int32_t>(domain.size()),
                             out.data(), static_cast<std::int32_t>(out.size()), &info, &status);
  if (U_FAILURE(status) || info.errors != 0 || length <= 0) return fold_case(domain);
  return fold_case(std::string_view(out.data(), static_cast<std::size_t>(length)));
}

std::string canonical_local_part(std::string_view local_part) {
  if (is_ascii(local_part)) return fold_case(local_part);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* const nfc = icu::Normalizer2::getNFCInstance(status);
  const icu::Normalizer2* const nfd = icu::Normalizer2::getNFDInstance(status);
  if (U_FAILURE(status)) return fold_case(local_part);
  auto text = icu::UnicodeString::fromUTF8(
      icu::StringPiece(local_part.data(), static_cast<std::int32_t>(local_part.size())));
  constexpr char16_t kReplacement = 0xFFFD;
  if (text.indexOf(kReplacement) >= 0) return fold_case(local_part);  // was not UTF-8
  // Unicode 3.13, canonical caseless matching: what is folded must not hang on the spelling, so it
  // is taken apart before, and put together behind.
  text = nfd->normalize(text, status);
  text.foldCase();
  text = nfc->normalize(text, status);
  if (U_FAILURE(status)) return fold_case(local_part);
  std::string out;
  text.toUTF8String(out);
  return out;
}

std::string canonical_address(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return canonical_local_part(address);
  std::string out = canonical_local_part(address.substr(0, at));
  out += '@';
  out += canonical_domain(address.substr(at + 1));
  return out;
}

}  // namespace postern::store

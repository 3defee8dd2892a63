// Fuzzes what stands behind MAIL and RCPT: paths, ESMTP parameters, dates, xtext; and the canonical
// form of addresses. How it works:
//  1. The first octet chooses what is offered, the rest is the text.
//  2. Whatever is accepted has to hold what its RFC says of it, and what goes into the store comes
//     back the same.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/smtp/syntax/hello_name.hpp"
#include "gateway/smtp/syntax/mail_parameters.hpp"
#include "gateway/smtp/syntax/parameters.hpp"
#include "gateway/smtp/syntax/path.hpp"
#include "gateway/smtp/syntax/text.hpp"
#include "store/address.hpp"
#include "store/envelope_codec.hpp"

namespace {

using namespace postern;
using namespace postern::smtp;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

constexpr Now kNow{.mono = MonoTime(), .unix_ms = 1'795'271'400'000};

bool within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_path(std::string_view text) {
  const PathResult result = parse_path(text);
  if (result.error != PathError::none) return;
  const Path& path = result.path;
  require(within(path.mailbox, text) && within(result.rest, text), "views point into the input");
  require(text.size() - result.rest.size() <= kPathOctetsMax, "a path is bounded");
  require(path.local_part.size() <= kLocalPartOctetsMax, "a local part is bounded");
  require(path.domain.size() <= kDomainOctetsMax, "a domain is bounded");
  require(path.mailbox.find_first_of("\r\n") == std::string_view::npos, "no line end in a path");
  require(path.has_utf8 == text::has_8bit(path.mailbox), "UTF-8 is seen");
  require(!path.has_utf8 || text::is_utf8(path.mailbox), "UTF-8 it is");
  if (path.null_path()) return;
  // The same mailbox by itself, in brackets.
  const std::string again = "<" + std::string(path.mailbox) + ">";
  const PathResult second = parse_path(again);
  require(
      second.error == PathError::none && second.path.mailbox == path.mailbox && second.rest.empty(),
      "a mailbox parses by itself");
  require(unquoted(path).size() <= path.local_part.size(), "unquoting shortens");
}

void check_canonical(std::string_view text) {
  const std::string once = store::canonical_address(text);
  require(store::canonical_address(once) == once, "canonical is canonical");
  require(!text::is_utf8(text) || text::is_utf8(once), "UTF-8 stays UTF-8");
  if (!text::has_8bit(text)) require(once == store::fold_case(text), "ASCII is folded only");
}

void check_mail(std::string_view text, const Offers& offers) {
  MailParameters parameters;
  if (parse_mail_parameters(text, offers, kNow, parameters)) return;
  const store::EnvelopeOptions& options = parameters.options;
  require(options.priority >= -9 && options.priority <= 9, "a priority");
  require(options.envelope_id.size() <= kEnvidOctetsMax, "an ENVID is bounded");
  require(options.hold_until_unix_ms == 0 ||
              (options.hold_until_unix_ms > kNow.unix_ms &&
               options.hold_until_unix_ms - kNow.unix_ms <= offers.hold_max_ms),
          "a hold is within its limit");
  require(!options.body_binary || (offers.binarymime && parameters.body_8bit), "BINARYMIME");
  require(!options.require_tls || offers.require_tls, "REQUIRETLS");
  std::string record;
  store::append_options(record, options);
  store::OctetReader in(record);
  store::EnvelopeOptions back;
  require(store::read_options(in, back) && in.done() && back == options, "options come back");
}

void check_rcpt(std::string_view text, const Offers& offers, bool smtputf8) {
  store::RecipientOptions options;
  if (parse_rcpt_parameters(text, offers, smtputf8, options)) return;
  require(options.orcpt.size() <= kOrcptOctetsMax, "an ORCPT is bounded");
  require(smtputf8 || !text::has_8bit(options.orcpt), "ASCII without SMTPUTF8");
  require((options.notify & store::kNotifyNever) == 0 || options.notify == store::kNotifyNever,
          "NEVER stands alone");
  std::string record;
  store::append_options(record, options);
  store::OctetReader in(record);
  store::RecipientOptions back;
  require(store::read_options(in, back) && in.done() && back == options, "options come back");
}

void check_date(std::string_view text) {
  const auto at = parse_date_time(text);
  if (!at) return;
  constexpr std::int64_t kYear9999 = 253'402'300'800'000;
  if (*at < 0 || *at >= kYear9999) return;
  std::string again;
  append_date_time(again, *at);
  require(parse_date_time(again) == at, "a date comes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::uint8_t bits = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Offers offers{.auth = (bits & 1) != 0,
                      .binarymime = (bits & 2) != 0,
                      .dsn = (bits & 4) != 0,
                      .require_tls = (bits & 8) != 0,
                      .mt_priority = (bits & 16) != 0,
                      .deliver_by = (bits & 32) != 0,
                      .hold_max_ms = (bits & 64) != 0 ? 86'400'000 : 0};
  check_path(text);
  check_mail(text, offers);
  check_rcpt(text, offers, (bits & 128) != 0);
  check_date(text);
  if (size < 600) check_canonical(text);
  require(!is_hello_name(text) || text.find_first_of(" \r\n\t()<>;") == std::string_view::npos,
          "a name that may stand in Received");
  if (const auto decoded = decode_xtext(text)) {
    require(decoded->size() <= text.size(), "xtext shortens");
  }
  return 0;
}

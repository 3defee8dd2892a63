// The ESMTP parameters of MAIL and RCPT, parsed into what the envelope keeps. Which of them are
// known hangs on what the listener offers on this connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/smtp/replies.hpp"
#include "runtime/time.hpp"
#include "store/envelope.hpp"

namespace postern::smtp {

/// The extensions whose parameters are known; the others' are refused with 555.
struct Offers {
  bool auth = false;             ///< AUTH= (RFC 4954)
  bool binarymime = false;       ///< BODY=BINARYMIME (RFC 3030)
  bool dsn = false;              ///< RET, ENVID, NOTIFY, ORCPT (RFC 3461)
  bool require_tls = false;      ///< REQUIRETLS (RFC 8689)
  bool mt_priority = false;      ///< MT-PRIORITY (RFC 6710)
  bool deliver_by = false;       ///< BY (RFC 2852)
  std::int64_t hold_max_ms = 0;  ///< HOLDFOR, HOLDUNTIL (RFC 4865): the longest; 0: not offered
};

/// Times as the client said them; the options have them as points in time.
struct AskedTimes {
  std::int64_t deliver_by = 0;  ///< BY: milliseconds from MAIL on
  std::int64_t hold = 0;  ///< HOLDUNTIL: milliseconds since 1970; HOLDFOR: from MAIL on, negative
};

/// What MAIL said behind its path.
struct MailParameters {
  std::optional<std::uint64_t> size_octets;  ///< SIZE (RFC 1870)
  bool smtputf8 = false;                     ///< SMTPUTF8 (RFC 6531)
  bool body_8bit = false;                    ///< BODY=8BITMIME (RFC 6152) or BINARYMIME
  store::EnvelopeOptions options;
  AskedTimes times;
};

/// RFC 3461 4.2 and 4.4: longest ORCPT and ENVID, as the client wrote them.
inline constexpr std::size_t kOrcptOctetsMax = 500;
inline constexpr std::size_t kEnvidOctetsMax = 100;

/// Parses what stands behind MAIL's path. nullopt: `into` is complete; else the refusal.
std::optional<Reply> parse_mail_parameters(std::string_view text, const Offers& offers, Now now,
                                           MailParameters& into);
/// The same for RCPT. `smtputf8`: the transaction's, which permits an internationalised ORCPT.
std::optional<Reply> parse_rcpt_parameters(std::string_view text, const Offers& offers,
                                           bool smtputf8, store::RecipientOptions& into);

/// RFC 3339 date-time with capital T and Z, as HOLDUNTIL has it, in milliseconds since 1970;
/// nullopt: it is none. Seconds may have a fraction; a leap second is the next minute's first.
std::optional<std::int64_t> parse_date_time(std::string_view text) noexcept;
/// The reverse, whole seconds, in UTC.
void append_date_time(std::string& out, std::int64_t unix_ms);

}  // namespace postern::smtp

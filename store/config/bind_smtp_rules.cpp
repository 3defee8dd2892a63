// Keys of an SMTP listener that are no limits: strictness, submission rules, extensions.
#include "store/config/bind.hpp"

namespace postern::config {
namespace {

constexpr Choice<LineEndPolicy> kLineEnds[] = {{"reject", LineEndPolicy::reject},
                                               {"normalize", LineEndPolicy::normalize},
                                               {"allow", LineEndPolicy::allow}};
constexpr Choice<NulPolicy> kNuls[] = {{"reject", NulPolicy::reject}, {"allow", NulPolicy::allow}};
// RFC 5321 4.5.4.1: clients give up after four or five days, so a longer memory finds nothing new.
constexpr Range kDuplicateWindow{.min = 1, .max = 5ull * 86400, .zero_is_none = true};
// RFC 4865 5: the server chooses. A year covers "next birthday"; what is held fills the queue.
constexpr Range kHold{.min = 60, .max = 366ull * 86400, .zero_is_none = true};

}  // namespace

void bind_smtp_rules(Binder& b, SmtpRuleSettings& s) {
  b.choice("bare_newline", s.bare_newline, std::span<const Choice<LineEndPolicy>>(kLineEnds),
           "A CR or LF on its own, in messages and behind commands. reject: 550. normalize: "
           "becomes CRLF. allow: stays. Only CRLF.CRLF ends a message, whatever stands here.");
  b.choice("nul_octets", s.nul_octets, std::span<const Choice<NulPolicy>>(kNuls),
           "NUL octets in a message that is not BODY=BINARYMIME.");
  b.flag("pipelining_strict", s.pipelining_strict,
         "Input behind EHLO, DATA, AUTH ... that comes before their reply ends the session.");
  b.flag("xclient", s.xclient,
         "Clients in \"trusted\" networks may say with XCLIENT for whom they speak. Who is named "
         "must be let in as well: \"allow\", \"deny\" and the limits per source hold for him.");
  b.flag("sender_owned", s.sender_owned,
         "An authenticated client may send as its own addresses only, and those granted with "
         "\"postern user send-as\". Default: true for submission.");
  b.flag("add_missing_fields", s.add_missing_fields,
         "Date and Message-ID are added when missing. Default: true for submission.");
  b.flag("hide_client_address", s.hide_client_address,
         "Received does not say where an authenticated client was.");
  b.flag("remove_bcc", s.remove_bcc, "Bcc fields are taken out of messages.");
  b.duration("duplicate_window", s.duplicate_window, kDuplicateWindow,
             "How long a message is remembered, so that one sent again is answered and not stored "
             "again. In memory: a restart forgets. Default: 15min for submission.");
  b.flag("binarymime", s.binarymime, "BINARYMIME is offered (RFC 3030).");
  b.flag("dsn", s.dsn, "DSN is offered (RFC 3461).");
  b.flag("require_tls", s.require_tls, "REQUIRETLS is offered inside TLS (RFC 8689).");
  b.flag("mt_priority", s.mt_priority, "MT-PRIORITY is offered (RFC 6710).");
  b.flag("deliver_by", s.deliver_by, "DELIVERBY is offered (RFC 2852).");
  b.duration("hold_max", s.hold_max, kHold,
             "Authenticated clients may have mail held this long (FUTURERELEASE, RFC 4865).");
}

}  // namespace postern::config

// One message on its way in: octets go to the body, the header is watched, limits are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/smtp/content_digest.hpp"
#include "gateway/smtp/header_editor.hpp"
#include "gateway/smtp/header_scan.hpp"
#include "gateway/smtp/profile.hpp"
#include "gateway/smtp/replies.hpp"
#include "store/message_body.hpp"

namespace postern::smtp {

/// A message that holds more than this in memory hands its full chunks to the store while it
/// arrives. Eight stored chunks: large enough that nearly all mail is one commit, small enough that
/// thousands of connections sending large messages at once stay within the memory budget.
inline constexpr std::size_t kSpillThresholdOctets = 8 * store::kBodyChunkOctets;
static_assert(kSpillThresholdOctets == 1 << 20);

/// Collects one message after another. Lines may be of any length: RFC 5321's 1000 octets are a
/// promise senders make, Postfix and Exchange accept longer ones too, and no line is ever held as
/// such here, so the message size is the limit. Any octet is accepted (8BITMIME) but NUL and a CR
/// or LF that is not part of CRLF, unless the profile's rules say otherwise: servers that disagree
/// about line ends can be made to see two messages where there was one.
class MessageIntake {
 public:
  /// What is done with one message besides keeping the limits.
  struct Plan {
    bool binary = false;        ///< BODY=BINARYMIME: every octet is content
    bool watch_header = false;  ///< the header is edited, or asked for its Message-ID
    bool digest = false;        ///< content_digest() is wanted
    std::uint64_t digest_seed = 0;
    HeaderEdits edits;
  };
  /// Forgets the last message. `profile` gives limits and rules and stays valid.
  void start(const SmtpProfile& profile) { start(profile, Plan()); }
  void start(const SmtpProfile& profile, const Plan& plan);
  /// Octets that are ours (trace header): stored, neither scanned nor counted.
  void trace(std::string_view octets) { body_.append(octets); }
  /// Octets of the message, dots already unstuffed; any split.
  void content(std::string_view octets);
  /// An octet that shows a CR or LF on its own: the LF, or what follows the CR. The rules say
  /// what becomes of it.
  void bare(char octet);
  /// The message is complete: the checks that need its end. Every stored message ends in CRLF:
  /// readers and the relay need no special case for one that does not.
  void finish();
  /// Refuses the message for `why`, unless it is refused already. Stored octets are dropped and
  /// further ones go nowhere.
  void refuse(Reply why);

  /// Why the message is refused, if it is.
  const std::optional<Reply>& refusal() const noexcept { return refusal_; }
  /// Octets that may be given to content() before wants_spill() must be asked again; at least 1.
  std::size_t room() const noexcept;
  /// The full chunks should go to the store now.
  bool wants_spill() const noexcept {
    return !refusal_ && body_.buffered() >= kSpillThresholdOctets;
  }
  /// Octets of the message so far, without our trace header.
  std::uint64_t content_octets() const noexcept { return content_octets_; }
  /// Only of a message whose header was watched.
  bool has_message_id() const noexcept { return editor_.has_message_id(); }
  /// What was received, as it was sent (line ends normalised, if they were). After finish().
  ContentDigest& digest() noexcept { return digest_; }
  store::MessageBody& body() noexcept { return body_; }
  const store::MessageBody& body() const noexcept { return body_; }

 private:
  void check_header();
  void store(std::string_view octets);
  void end_line();

  const SmtpProfile* profile_ = nullptr;
  store::MessageBody body_;
  HeaderScan header_;
  std::uint64_t content_octets_ = 0;
  std::optional<Reply> refusal_;
  bool binary_ = false;
  bool digesting_ = false;
  HeaderEditor editor_;
  ContentDigest digest_;
  char last_ = '\n';         // of the content; at the start as behind a line end: an empty
  char second_last_ = '\r';  // message lacks none
};

}  // namespace postern::smtp

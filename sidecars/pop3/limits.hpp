// Every bound of the POP3 protocol code that is not a setting, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sidecars/common/mail_requests.hpp"

namespace postern::pop3 {

/// RFC 1939 section 3 and POP-06: a response line, CRLF included, is at most this long.
inline constexpr std::size_t kResponseOctetsMax = 512;

/// POP-02: what command_octets_max may be set to. The session clamps what it is given.
inline constexpr std::uint32_t kCommandOctetsFloor = 40;
inline constexpr std::uint32_t kCommandOctetsCeiling = 1024;
/// RFC 2449 section 4: a server that has CAPA accepts commands of at least 255 octets, CRLF
/// included. A smaller command_octets_max is raised to this, unless the profile asks for
/// Exchange's documented behaviour, which has CAPA and the smaller limit (E0006, E0007).
inline constexpr std::uint32_t kCommandOctetsForCapa = 255;

/// A line inside a SASL exchange. RFC 5034 section 4 exempts it from the command limit and asks for
/// room for the largest response of any mechanism; 12288 is what RFC 4954 section 4 gives the same
/// lines in SMTP, tickets and tokens included.
inline constexpr std::size_t kSaslLineOctetsMax = 12288;

/// How much of an overlong line is skipped in the hope of its end before the session gives up.
/// Nothing a mail client sends by mistake is longer; an endless line must not cost CPU for ever.
inline constexpr std::size_t kOverlongLineOctetsMax = 64 * 1024;

/// Unknown or unreadable commands in a row, after which the session ends: an HTTP client or a
/// scanner is not a mail client that needs patience. Any understood command starts the count again.
inline constexpr std::uint32_t kBadCommandsMax = 10;

/// While this much waits to be sent, nothing more is produced and no command is read: what a reader
/// that does not read costs. Two of these and a read batch are the most a session holds.
inline constexpr std::size_t kOutputHighWaterOctets = 256 * 1024;
/// Octets of a message turned into output between two looks at the high-water mark.
inline constexpr std::size_t kProducePieceOctets = 64 * 1024;
/// Listing lines produced between two looks at the high-water mark (about 16 octets each).
inline constexpr std::size_t kProduceListingLines = 1024;

/// Messages one read batch may name. Its octets are bounded by kReadBatchOctets; this bounds the
/// bookkeeping when messages are tiny.
inline constexpr std::size_t kReadAheadMessagesMax = 256;
/// Lines of not yet consumed input that are looked at for RETR and TOP commands to come.
inline constexpr std::size_t kLookAheadLinesMax = 1024;
/// First octets read for a TOP. Most headers are shorter; a longer one takes another read.
inline constexpr std::uint64_t kTopFirstReadOctets = 8 * 1024;
/// Octets a body line is taken to have when TOP guesses how much to read for the lines asked.
inline constexpr std::uint64_t kTopOctetsPerLine = 80;
static_assert(kTopFirstReadOctets < sidecars::kReadBatchOctets);
static_assert(kProducePieceOctets <= kOutputHighWaterOctets);

/// How long the answer to a failed login is held back: guessing over one connection gets a few
/// tries per minute, a human does not notice. Default of Pop3Profile::failed_login_delay.
inline constexpr std::chrono::milliseconds kFailedLoginDelay{2000};

}  // namespace postern::pop3

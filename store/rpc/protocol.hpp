// The store service's wire format: messages to frames and back. Sans-IO.
//
//   frame    = length(u32) version(u8) type(u8) request-id(u64) fields
//   length   = octets behind the length field; at most kFrameOctetsMax
//   integers little-endian; strings length(u32) + octets; lists count(u32) + elements; a bool is 0
//   or 1
//
// Decoding is total: whatever the octets are, the answer is a message or an error. It is also
// canonical: a frame that decodes encodes to the same octets again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/result.hpp"
#include "runtime/time.hpp"
#include "store/rpc/messages.hpp"

namespace postern::store::rpc {

/// How long a sidecar waits for an answer, a gateway's restart included: a mail client waits longer
/// for a login than for anything it would have to be told twice. The gateway refuses at once what
/// it could not answer within it.
inline constexpr Duration kAnswerTimeMax = std::chrono::seconds(15);
/// Largest frame. A mutation that names every second message of a mailbox of a million fits.
inline constexpr std::size_t kFrameOctetsMax = 4u << 20;
/// Octets of the length field.
inline constexpr std::size_t kFramePrefixOctets = 4;
/// Version, type and request id.
inline constexpr std::size_t kFrameHeaderOctets = 10;
/// UID ranges in one mutation or its reply: what fits into a frame beside the other fields.
inline constexpr std::size_t kUidRangesMax = 500'000;
/// Names, addresses, domains: RFC 5321 allows 256 octets of path, RFC 6531 and client text more.
inline constexpr std::size_t kNameOctetsMax = 1024;
/// Passwords; bearer tokens (OAuth) are the long ones and reach several KiB.
inline constexpr std::size_t kSecretOctetsMax = 16u << 10;
/// Error texts and replies of next hops; longer ones are cut before they are sent.
inline constexpr std::size_t kTextOctetsMax = 4u << 10;
/// A path of the file system (PATH_MAX).
inline constexpr std::size_t kPathOctetsMax = 4096;
/// Keywords named in one StoreFlags: more cannot exist in a mailbox.
inline constexpr std::size_t kKeywordsMax = kKeywordsPerMailboxMax;
/// Aliases of one account.
inline constexpr std::size_t kAliasesMax = 1000;
/// Entries on one page of a list.
inline constexpr std::size_t kListEntriesMax = 1000;
/// Recipients shown for one queue entry.
inline constexpr std::size_t kQueueRecipientsMax = 20;

/// Appends `message` to `out` as one frame. invalid_argument: a field is beyond its limit, or the
/// frame would be too long; `out` is as before then.
Result<void> encode(const Message& message, std::string& out);

/// Decodes what follows a frame's length field. corrupted: not a message of this protocol;
/// unsupported: its version is another one.
Result<Message> decode(std::string_view frame);

/// Index within ReplyBody of what answers a request; ViewPosition has none (npos).
std::size_t reply_index(const RequestBody& request) noexcept;
inline constexpr std::size_t kNoReply = static_cast<std::size_t>(-1);

/// Memory a FrameReader keeps between frames. Nearly every frame is below one page.
inline constexpr std::size_t kBufferKeptOctets = 64u << 10;

/// Puts a stream of octets back together into frames. Holds one unfinished frame at most (its
/// octets as they arrive: an announced length allocates nothing).
class FrameReader {
 public:
  enum class Status : std::uint8_t {
    need_more,   ///< all octets consumed, no whole frame yet
    frame,       ///< frame() is the content of one, without its length field
    bad_length,  ///< announced length beyond kFrameOctetsMax or below the header's: give the
                 ///< connection up
  };
  /// Takes octets off the front of `in` up to the end of one frame.
  Status feed(std::string_view& in);
  /// The frame last reported; valid until the next feed().
  std::string_view frame() const noexcept;
  /// Octets of an unfinished frame held.
  std::size_t buffered() const noexcept { return complete_ ? 0 : buffer_.size(); }

 private:
  std::string buffer_;  // length field and content
  bool complete_ = false;
};

}  // namespace postern::store::rpc

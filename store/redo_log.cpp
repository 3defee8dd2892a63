#include "store/redo_log.hpp"

#include <optional>
#include <utility>

#include "store/envelope_codec.hpp"
#include "store/octet_codec.hpp"

namespace postern::store::schema {

namespace {

constexpr std::uint8_t kEntryFormat = 1;

constexpr std::uint8_t kSmtputf8 = 1 << 0;
constexpr std::uint8_t kBody8bit = 1 << 1;

// Every member is named: one that is added to the envelope without a line here does not compile,
// instead of being forgotten by a power loss.
void append_envelope(std::string& out, const Envelope& envelope) {
  const auto& [reverse_path, recipients, identity, client, smtputf8, body_8bit, options] = envelope;
  append_be(out,
            static_cast<std::uint8_t>((smtputf8 ? kSmtputf8 : 0) | (body_8bit ? kBody8bit : 0)));
  append_string(out, reverse_path);
  append_string(out, identity);
  append_string(out, client);
  append_options(out, options);
  append_be(out, static_cast<std::uint32_t>(recipients.size()));
  for (const auto& [address, mailboxes, recipient_options] : recipients) {
    append_string(out, address);
    append_options(out, recipient_options);
    append_be(out, static_cast<std::uint32_t>(mailboxes.size()));
    for (const MailboxId mailbox : mailboxes) append_be(out, raw(mailbox));
  }
}

/// A count of things that take at least `octets_min` each; nullopt if so many cannot be there.
std::optional<std::uint32_t> read_count(OctetReader& in, std::size_t octets_min) {
  const auto count = in.number<std::uint32_t>();
  if (!in.ok() || count > in.remaining() / octets_min) return std::nullopt;
  return count;
}

bool read_recipient(OctetReader& in, EnvelopeRecipient& recipient) {
  recipient.address = in.string();
  if (!read_options(in, recipient.options)) return false;
  const auto mailboxes = read_count(in, 8);
  if (!mailboxes) return false;
  for (std::uint32_t i = 0; i < *mailboxes; ++i) {
    recipient.mailboxes.push_back(MailboxId{in.number<std::uint64_t>()});
  }
  return true;
}

bool read_envelope(OctetReader& in, Envelope& envelope) {
  const auto bits = in.number<std::uint8_t>();
  envelope.smtputf8 = (bits & kSmtputf8) != 0;
  envelope.body_8bit = (bits & kBody8bit) != 0;
  envelope.reverse_path = in.string();
  envelope.identity = in.string();
  envelope.client = in.string();
  if (!read_options(in, envelope.options)) return false;
  const auto recipients = read_count(in, 8);
  if (!recipients || *recipients == 0) return false;
  for (std::uint32_t i = 0; i < *recipients; ++i) {
    if (!read_recipient(in, envelope.recipients.emplace_back())) return false;
  }
  return in.ok();
}

std::unexpected<Error> corrupted() {
  return fail(ErrorCode::corrupted, "the store holds a damaged redo record");
}

}  // namespace

FixedKey<12> encode_group_position(GroupPosition position) noexcept {
  FixedKey<12> out;
  write_be(out.octets.data(), position.group);
  write_be(out.octets.data() + 8, position.index);
  return out;
}

Result<GroupPosition> decode_group_position(std::string_view record) {
  if (record.size() != 12) return corrupted();
  return GroupPosition{.group = read_be<std::uint64_t>(record.data()),
                       .index = read_be<std::uint32_t>(record.data() + 8)};
}

RedoKey redo_key(std::uint64_t group) noexcept {
  RedoKey key;
  write_be(key.octets.data(), group);
  return key;
}

Result<std::uint64_t> parse_redo_key(std::string_view key) {
  if (key.size() != 8) return corrupted();
  return read_be<std::uint64_t>(key.data());
}

void append_redo_entry(std::string& record, std::uint32_t index, const SpoolRequest& request) {
  append_be(record, kEntryFormat);
  append_be(record, index);
  append_be(record, raw(request.body));
  append_be(record, request.size_octets);
  append_be(record, request.relay_offset_octets);
  append_be(record, static_cast<std::uint64_t>(request.arrival_unix_ms));
  append_string(record, request.id);
  append_envelope(record, request.envelope);
}

Result<std::vector<std::unique_ptr<RedoEntry>>> decode_redo_record(std::string_view record) {
  std::vector<std::unique_ptr<RedoEntry>> entries;
  OctetReader in(record);
  while (!in.done()) {
    const auto format = in.number<std::uint8_t>();
    if (in.ok() && format != kEntryFormat) {
      return fail(ErrorCode::unsupported,
                  "the store holds a redo record in a format this version does not know");
    }
    auto entry = std::make_unique<RedoEntry>();
    entry->index = in.number<std::uint32_t>();
    SpoolRequest& request = entry->request;
    request.body = BodyId{in.number<std::uint64_t>()};
    request.size_octets = in.number<std::uint64_t>();
    request.relay_offset_octets = in.number<std::uint32_t>();
    request.arrival_unix_ms = static_cast<std::int64_t>(in.number<std::uint64_t>());
    request.id = in.string();
    if (!read_envelope(in, request.envelope)) return corrupted();
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace postern::store::schema

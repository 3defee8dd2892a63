#include "store/schema_private.hpp"

#include "runtime/assert.hpp"
#include "store/envelope_codec.hpp"
#include "store/octet_codec.hpp"

namespace postern::store::schema {

namespace {

constexpr std::uint8_t kCountersFormat = 1;
// 2 added the addresses an account may send as, 3 its settings, 4 the quota among them; all are
// still read.
constexpr std::uint8_t kAccountFormat = 4;
constexpr std::uint8_t kAccountFormatWithSettings = 3;
constexpr std::uint8_t kAccountFormatWithSendAs = 2;
constexpr std::uint8_t kAccountFormatFirst = 1;
// 2 added the options of message and recipients; 1 is still read.
constexpr std::uint8_t kQueueFormat = 2;
constexpr std::uint8_t kQueueFormatWithoutOptions = 1;

// Which settings an account record carries, in this order behind the mask.
constexpr std::uint8_t kSettingKeep = 1 << 0;
constexpr std::uint8_t kSettingDeleteAfterRetrieval = 1 << 1;
constexpr std::uint8_t kSettingQuota = 1 << 2;

constexpr std::uint8_t kQuotaNoteFormat = 1;

constexpr std::uint8_t kQueueSmtputf8 = 1 << 0;
constexpr std::uint8_t kQueueBody8bit = 1 << 1;

std::unexpected<Error> corrupted(const char* what) {
  return fail(ErrorCode::corrupted, std::string("the store holds a damaged ") + what);
}

/// Takes the format octet off.
Result<void> check_format(OctetReader& in, std::uint8_t known, const char* what) {
  const auto format = in.number<std::uint8_t>();
  if (!in.ok()) return corrupted(what);
  if (format == known) return {};
  return fail(ErrorCode::unsupported,
              std::string("the store holds a ") + what + " in a format this version does not know");
}

/// A list of strings behind its count. Bounded by what is there: each string costs at least 4
/// octets.
bool read_strings(OctetReader& in, std::vector<std::string>& out) {
  const auto count = in.number<std::uint32_t>();
  if (!in.ok() || count > in.remaining() / 4) return false;
  out.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) out.emplace_back(in.string());
  return in.ok();
}

DoomedKey doomed_key(std::string_view prefix, std::uint64_t id) noexcept {
  DoomedKey key;
  key.octets[0] = prefix[0];
  write_be(key.octets.data() + 1, id);
  return key;
}

}  // namespace

BodyIdKey body_id_key(BodyId body) noexcept { return encode_u64(raw(body)); }

Result<BodyId> parse_body_id_key(std::string_view key) {
  if (key.size() != 8) return corrupted("body id");
  return BodyId{read_be<std::uint64_t>(key.data())};
}

DoomedKey doomed_body_key(BodyId body) noexcept { return doomed_key(kDoomedBodyPrefix, raw(body)); }

DoomedKey doomed_mailbox_key(MailboxId mailbox) noexcept {
  return doomed_key(kDoomedMailboxPrefix, raw(mailbox));
}

ExpungedKey expunged_key(std::uint64_t tick, MailboxId mailbox, Uid uid) noexcept {
  ExpungedKey key;
  key.octets[0] = kExpungedPrefix[0];
  write_be(key.octets.data() + 1, tick);
  write_be(key.octets.data() + 9, raw(mailbox));
  write_be(key.octets.data() + 17, uid);
  return key;
}

Result<ExpungedKeyParts> parse_expunged_key(std::string_view key) {
  if (key.size() != 21 || !key.starts_with(kExpungedPrefix)) return corrupted("removal list");
  return ExpungedKeyParts{.tick = read_be<std::uint64_t>(key.data() + 1),
                          .mailbox = MailboxId{read_be<std::uint64_t>(key.data() + 9)},
                          .uid = read_be<std::uint32_t>(key.data() + 17)};
}

Result<std::uint64_t> parse_doomed_key(std::string_view key) {
  if (key.size() != 9) return corrupted("removal list");
  return read_be<std::uint64_t>(key.data() + 1);
}

std::string domain_key(std::string_view domain) {
  std::string key(kDomainPrefix);
  key.append(domain);
  return key;
}

FixedKey<9> account_key(AccountId account) noexcept {
  return doomed_key(kAccountPrefix, raw(account));
}

Result<AccountId> parse_account_key(std::string_view key) {
  if (key.size() != 9 || !key.starts_with(kAccountPrefix)) return corrupted("account key");
  return AccountId{read_be<std::uint64_t>(key.data() + 1)};
}

QuotaNoteKey quota_note_key(MailboxId mailbox) noexcept {
  return doomed_key(kQuotaNotePrefix, raw(mailbox));
}

Result<MailboxId> parse_quota_note_key(std::string_view key) {
  if (key.size() != 9 || !key.starts_with(kQuotaNotePrefix)) return corrupted("quota note");
  return MailboxId{read_be<std::uint64_t>(key.data() + 1)};
}

std::string encode_quota_note(const QuotaNote& note) {
  std::string out;
  append_be(out, kQuotaNoteFormat);
  append_be(out, static_cast<std::uint8_t>(note.level));
  append_be(out, static_cast<std::uint64_t>(note.told_unix_ms));
  return out;
}

Result<QuotaNote> decode_quota_note(std::string_view record) {
  OctetReader in(record);
  if (auto known = check_format(in, kQuotaNoteFormat, "quota note"); !known) {
    return std::unexpected(known.error());
  }
  const auto level = in.number<std::uint8_t>();
  const auto told_unix_ms = static_cast<std::int64_t>(in.number<std::uint64_t>());
  if (!in.done() || level > static_cast<std::uint8_t>(QuotaLevel::full)) {
    return corrupted("quota note");
  }
  return QuotaNote{.level = static_cast<QuotaLevel>(level), .told_unix_ms = told_unix_ms};
}

FixedKey<4> encode_u32(std::uint32_t value) noexcept {
  FixedKey<4> out;
  write_be(out.octets.data(), value);
  return out;
}

FixedKey<8> encode_u64(std::uint64_t value) noexcept {
  FixedKey<8> out;
  write_be(out.octets.data(), value);
  return out;
}

Result<std::uint32_t> decode_u32(std::string_view record) {
  if (record.size() != 4) return corrupted("number");
  return read_be<std::uint32_t>(record.data());
}

Result<std::uint64_t> decode_u64(std::string_view record) {
  if (record.size() != 8) return corrupted("number");
  return read_be<std::uint64_t>(record.data());
}

std::string encode_counters(const Counters& counters) {
  std::string out;
  append_be(out, kCountersFormat);
  append_be(out, counters.account);
  append_be(out, counters.mailbox);
  append_be(out, counters.folder_version);
  append_be(out, counters.uid_validity);
  return out;
}

Result<Counters> decode_counters(std::string_view record) {
  OctetReader in(record);
  if (auto known = check_format(in, kCountersFormat, "counter row"); !known) {
    return std::unexpected(known.error());
  }
  Counters counters;
  counters.account = in.number<std::uint64_t>();
  counters.mailbox = in.number<std::uint64_t>();
  counters.folder_version = in.number<std::uint64_t>();
  counters.uid_validity = in.number<std::uint32_t>();
  if (!in.done()) return corrupted("counter row");
  return counters;
}

std::string encode_account(const Account& account) {
  std::string out;
  append_be(out, kAccountFormat);
  append_be(out, raw(account.inbox));
  append_string(out, account.name);
  append_string(out, account.password_hash);
  append_be(out, static_cast<std::uint32_t>(account.aliases.size()));
  for (const std::string& alias : account.aliases) append_string(out, alias);
  append_be(out, static_cast<std::uint32_t>(account.send_as.size()));
  for (const std::string& address : account.send_as) append_string(out, address);
  const AccountSettings& settings = account.settings;
  append_be(out, static_cast<std::uint8_t>(
                     (settings.keep ? kSettingKeep : 0) |
                     (settings.delete_after_retrieval ? kSettingDeleteAfterRetrieval : 0) |
                     (settings.quota_octets ? kSettingQuota : 0)));
  if (settings.keep) append_be(out, static_cast<std::uint64_t>(settings.keep->count()));
  if (settings.delete_after_retrieval)
    append_be(out, static_cast<std::uint8_t>(*settings.delete_after_retrieval));
  if (settings.quota_octets) append_be(out, *settings.quota_octets);
  return out;
}

namespace {

/// False: not what encode_account() writes in that format.
bool read_settings(OctetReader& in, std::uint8_t format, AccountSettings& settings) {
  const auto mask = in.number<std::uint8_t>();
  const std::uint8_t added = format >= kAccountFormat ? kSettingQuota : 0;
  if ((mask & ~(kSettingKeep | kSettingDeleteAfterRetrieval | added)) != 0) return false;
  if ((mask & kSettingKeep) != 0) {
    const auto keep_s = in.number<std::uint64_t>();
    if (keep_s > static_cast<std::uint64_t>(kKeepMax.count())) return false;
    settings.keep = std::chrono::seconds(keep_s);
  }
  if ((mask & kSettingDeleteAfterRetrieval) != 0) {
    const auto value = in.number<std::uint8_t>();
    if (value > 1) return false;
    settings.delete_after_retrieval = value == 1;
  }
  if ((mask & kSettingQuota) != 0) {
    settings.quota_octets = in.number<std::uint64_t>();
    if (!valid_quota(*settings.quota_octets)) return false;
  }
  return in.ok();
}

}  // namespace

Result<Account> decode_account(AccountId id, std::string_view record) {
  OctetReader in(record);
  const std::uint8_t first = record.empty() ? 0 : static_cast<std::uint8_t>(record.front());
  const bool is_older = first >= kAccountFormatFirst && first < kAccountFormat;
  const std::uint8_t format = is_older ? first : kAccountFormat;
  if (auto known = check_format(in, format, "account row"); !known) {
    return std::unexpected(known.error());
  }
  Account account;
  account.id = id;
  account.inbox = MailboxId{in.number<std::uint64_t>()};
  account.name = in.string();
  account.password_hash = in.string();
  bool fine = read_strings(in, account.aliases);
  if (format >= kAccountFormatWithSendAs) fine = fine && read_strings(in, account.send_as);
  if (format >= kAccountFormatWithSettings)
    fine = fine && read_settings(in, format, account.settings);
  if (!fine || !in.done() || account.name.empty()) {
    return corrupted("account row");
  }
  return account;
}

void append_queue_row(std::string& out, const SpoolRequest& request) {
  const Envelope& envelope = request.envelope;
  append_be(out, kQueueFormat);
  append_be(out, static_cast<std::uint8_t>((envelope.smtputf8 ? kQueueSmtputf8 : 0) |
                                           (envelope.body_8bit ? kQueueBody8bit : 0)));
  append_be(out, static_cast<std::uint64_t>(request.arrival_unix_ms));
  append_be(out, request.size_octets);
  append_be(out, request.relay_offset_octets);
  append_string(out, request.id);
  append_string(out, envelope.reverse_path);
  append_string(out, envelope.identity);
  append_string(out, envelope.client);
  std::uint32_t remote = 0;
  for (const EnvelopeRecipient& recipient : envelope.recipients)
    remote += recipient.mailboxes.empty();
  append_be(out, remote);
  for (const EnvelopeRecipient& recipient : envelope.recipients) {
    if (recipient.mailboxes.empty()) append_string(out, recipient.address);
  }
  append_options(out, envelope.options);
  for (const EnvelopeRecipient& recipient : envelope.recipients) {
    if (recipient.mailboxes.empty()) append_options(out, recipient.options);
  }
}

Result<QueueEntry> decode_queue_row(BodyId body, std::string_view record) {
  OctetReader in(record);
  const bool has_options = !record.starts_with(static_cast<char>(kQueueFormatWithoutOptions));
  const std::uint8_t format = has_options ? kQueueFormat : kQueueFormatWithoutOptions;
  if (auto known = check_format(in, format, "queue row"); !known) {
    return std::unexpected(known.error());
  }
  QueueEntry entry;
  entry.body = body;
  const auto bits = in.number<std::uint8_t>();
  entry.smtputf8 = (bits & kQueueSmtputf8) != 0;
  entry.body_8bit = (bits & kQueueBody8bit) != 0;
  entry.arrival_unix_ms = static_cast<std::int64_t>(in.number<std::uint64_t>());
  entry.size_octets = in.number<std::uint64_t>();
  entry.relay_offset_octets = in.number<std::uint32_t>();
  entry.id = in.string();
  entry.reverse_path = in.string();
  entry.identity = in.string();
  entry.client = in.string();
  bool fine = read_strings(in, entry.recipients);
  entry.recipient_options.resize(entry.recipients.size());
  if (has_options) {
    fine = fine && read_options(in, entry.options);
    for (RecipientOptions& options : entry.recipient_options) {
      fine = fine && read_options(in, options);
    }
  }
  if (!fine || !in.done() || (bits & ~(kQueueSmtputf8 | kQueueBody8bit)) != 0) {
    return corrupted("queue row");
  }
  return entry;
}

std::uint32_t chunk_count(std::uint64_t size_octets) noexcept {
  if (size_octets == 0) return 1;
  return static_cast<std::uint32_t>((size_octets + kBodyChunkOctets - 1) / kBodyChunkOctets);
}

}  // namespace postern::store::schema

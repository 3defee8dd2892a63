#include "store/schema.hpp"

#include "runtime/assert.hpp"
#include "store/octet_codec.hpp"

namespace postern::store::schema {

namespace {

constexpr std::uint8_t kMessageFormat = 1;
constexpr std::uint8_t kHeadFormat = 1;
constexpr std::uint8_t kFolderFormat = 1;

constexpr std::uint8_t kHeadDeleted = 1 << 0;

constexpr std::uint8_t kFolderSubscribed = 1 << 0;
constexpr std::uint8_t kFolderDeleted = 1 << 1;

constexpr std::uint16_t kSystemFlagsKnown =
    static_cast<std::uint16_t>(Flag::seen) | static_cast<std::uint16_t>(Flag::answered) |
    static_cast<std::uint16_t>(Flag::flagged) | static_cast<std::uint16_t>(Flag::deleted) |
    static_cast<std::uint16_t>(Flag::draft);

std::unexpected<Error> corrupted(const char* what) {
  return fail(ErrorCode::corrupted, std::string("the store holds a damaged ") + what);
}

std::unexpected<Error> newer(const char* what) {
  return fail(ErrorCode::unsupported,
              std::string("the store holds a ") + what + " in a format this version does not know");
}

template <std::size_t N>
void put_owner(FixedKey<N>& key, RowKind kind, std::uint64_t owner) noexcept {
  static_assert(N >= 9);
  key.octets[0] = static_cast<char>(kind);
  write_be(key.octets.data() + 1, owner);
}

OwnerPrefix owner_prefix(RowKind kind, std::uint64_t owner) noexcept {
  OwnerPrefix key;
  put_owner(key, kind, owner);
  return key;
}

bool is_key(std::string_view key, RowKind kind, std::size_t octets) noexcept {
  return key.size() == octets && key[0] == static_cast<char>(kind);
}

}  // namespace

MessageKey message_key(MailboxId mailbox, Uid uid, ModSeq modseq) noexcept {
  MessageKey key;
  put_owner(key, RowKind::message, raw(mailbox));
  write_be(key.octets.data() + 9, uid);
  write_be(key.octets.data() + 13, ~modseq);
  return key;
}

OwnerPrefix message_prefix(MailboxId mailbox) noexcept {
  return owner_prefix(RowKind::message, raw(mailbox));
}

UidPrefix message_uid_prefix(MailboxId mailbox, Uid uid) noexcept {
  UidPrefix key;
  put_owner(key, RowKind::message, raw(mailbox));
  write_be(key.octets.data() + 9, uid);
  return key;
}

ChangeKey change_key(MailboxId mailbox, ModSeq modseq, Uid uid) noexcept {
  ChangeKey key;
  put_owner(key, RowKind::change, raw(mailbox));
  write_be(key.octets.data() + 9, modseq);
  write_be(key.octets.data() + 17, uid);
  return key;
}

OwnerPrefix change_prefix(MailboxId mailbox) noexcept {
  return owner_prefix(RowKind::change, raw(mailbox));
}

ChangeKey change_from(MailboxId mailbox, ModSeq from) noexcept {
  return change_key(mailbox, from, 0);
}

HeadKey head_key(MailboxId mailbox, ModSeq modseq) noexcept {
  HeadKey key;
  put_owner(key, RowKind::head, raw(mailbox));
  write_be(key.octets.data() + 9, ~modseq);
  return key;
}

OwnerPrefix head_prefix(MailboxId mailbox) noexcept {
  return owner_prefix(RowKind::head, raw(mailbox));
}

FolderKey folder_key(AccountId account, MailboxId mailbox, std::uint64_t version) noexcept {
  FolderKey key;
  put_owner(key, RowKind::folder, raw(account));
  write_be(key.octets.data() + 9, raw(mailbox));
  write_be(key.octets.data() + 17, ~version);
  return key;
}

OwnerPrefix folder_prefix(AccountId account) noexcept {
  return owner_prefix(RowKind::folder, raw(account));
}

ClockKey clock_key(std::uint64_t tick) noexcept {
  ClockKey key;
  put_owner(key, RowKind::clock, ~tick);
  return key;
}

BodyKey body_key(BodyId body, std::uint32_t chunk) noexcept {
  BodyKey key;
  write_be(key.octets.data(), raw(body));
  write_be(key.octets.data() + 8, chunk);
  return key;
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    const auto last = static_cast<unsigned char>(end.back());
    if (last != 0xff) {
      end.back() = static_cast<char>(last + 1);
      return end;
    }
    end.pop_back();
  }
  return end;
}

Result<MessageKeyParts> parse_message_key(std::string_view key) {
  if (!is_key(key, RowKind::message, 21)) return corrupted("message key");
  return MessageKeyParts{.mailbox = MailboxId{read_be<std::uint64_t>(key.data() + 1)},
                         .uid = read_be<std::uint32_t>(key.data() + 9),
                         .modseq = ~read_be<std::uint64_t>(key.data() + 13)};
}

Result<ChangeKeyParts> parse_change_key(std::string_view key) {
  if (!is_key(key, RowKind::change, 21)) return corrupted("change log key");
  return ChangeKeyParts{.mailbox = MailboxId{read_be<std::uint64_t>(key.data() + 1)},
                        .modseq = read_be<std::uint64_t>(key.data() + 9),
                        .uid = read_be<std::uint32_t>(key.data() + 17)};
}

Result<HeadKeyParts> parse_head_key(std::string_view key) {
  if (!is_key(key, RowKind::head, 17)) return corrupted("mailbox head key");
  return HeadKeyParts{.mailbox = MailboxId{read_be<std::uint64_t>(key.data() + 1)},
                      .modseq = ~read_be<std::uint64_t>(key.data() + 9)};
}

Result<FolderKeyParts> parse_folder_key(std::string_view key) {
  if (!is_key(key, RowKind::folder, 25)) return corrupted("folder key");
  return FolderKeyParts{.account = AccountId{read_be<std::uint64_t>(key.data() + 1)},
                        .mailbox = MailboxId{read_be<std::uint64_t>(key.data() + 9)},
                        .version = ~read_be<std::uint64_t>(key.data() + 17)};
}

Result<std::uint64_t> parse_clock_key(std::string_view key) {
  if (!is_key(key, RowKind::clock, 9)) return corrupted("clock key");
  return ~read_be<std::uint64_t>(key.data() + 1);
}

Result<BodyKeyParts> parse_body_key(std::string_view key) {
  if (key.size() != 12) return corrupted("body key");
  return BodyKeyParts{.body = BodyId{read_be<std::uint64_t>(key.data())},
                      .chunk = read_be<std::uint32_t>(key.data() + 8)};
}

MessageRowOctets encode_live_row(const FlagSet& flags, BodyId body, std::uint64_t size_octets,
                                 std::int64_t internal_date_ms) noexcept {
  MessageRowOctets out;
  char* at = out.octets.data();
  at[0] = static_cast<char>(kMessageFormat);
  at[1] = static_cast<char>(MessageRow::Kind::live);
  write_be(at + 2, flags.system);
  write_be(at + 4, flags.keywords);
  write_be(at + 12, raw(body));
  write_be(at + 20, size_octets);
  write_be(at + 28, static_cast<std::uint64_t>(internal_date_ms));
  return out;
}

std::string encode_message_row(const MessageRow& row) {
  if (row.kind == MessageRow::Kind::expunged) {
    return {static_cast<char>(kMessageFormat), static_cast<char>(MessageRow::Kind::expunged)};
  }
  return encode_live_row(row.flags, row.body, row.size_octets, row.internal_date_ms).string();
}

Result<MessageRow> decode_message_row(std::string_view record) {
  OctetReader in(record);
  const auto format = in.number<std::uint8_t>();
  const auto kind = in.number<std::uint8_t>();
  if (!in.ok()) return corrupted("message row");
  if (format != kMessageFormat) return newer("message row");
  if (kind == static_cast<std::uint8_t>(MessageRow::Kind::expunged)) {
    if (!in.done()) return corrupted("message row");
    return MessageRow{.kind = MessageRow::Kind::expunged};
  }
  MessageRow row;
  row.flags.system = in.number<std::uint16_t>();
  row.flags.keywords = in.number<std::uint64_t>();
  row.body = BodyId{in.number<std::uint64_t>()};
  row.size_octets = in.number<std::uint64_t>();
  row.internal_date_ms = static_cast<std::int64_t>(in.number<std::uint64_t>());
  if (kind != static_cast<std::uint8_t>(MessageRow::Kind::live) || !in.done() ||
      (row.flags.system & ~kSystemFlagsKnown) != 0 || raw(row.body) == 0) {
    return corrupted("message row");
  }
  return row;
}

MessageEntry to_entry(const MessageKeyParts& key, const MessageRow& row) noexcept {
  return MessageEntry{.uid = key.uid,
                      .flags = row.flags,
                      .modseq = key.modseq,
                      .body = row.body,
                      .size_octets = row.size_octets,
                      .internal_date_ms = row.internal_date_ms};
}

void append_head(std::string& out, const MailboxHead& head) {
  POSTERN_ASSERT(head.keywords.size() <= kKeywordsPerMailboxMax);
  append_be(out, kHeadFormat);
  append_be(out, static_cast<std::uint8_t>(head.deleted ? kHeadDeleted : 0));
  append_be(out, head.uid_validity);
  append_be(out, head.uid_next);
  append_be(out, head.message_count);
  append_be(out, head.unseen_count);
  append_be(out, head.total_octets);
  append_be(out, static_cast<std::uint8_t>(head.keywords.size()));
  for (const std::string& keyword : head.keywords) append_string(out, keyword);
}

std::string encode_head(const MailboxHead& head) {
  std::string out;
  append_head(out, head);
  return out;
}

Result<MailboxHead> decode_head(const HeadKeyParts& key, std::string_view record) {
  OctetReader in(record);
  const auto format = in.number<std::uint8_t>();
  if (!in.ok()) return corrupted("mailbox head");
  if (format != kHeadFormat) return newer("mailbox head");
  MailboxHead head;
  head.id = key.mailbox;
  head.highest_modseq = key.modseq;
  const auto bits = in.number<std::uint8_t>();
  head.deleted = (bits & kHeadDeleted) != 0;
  head.uid_validity = in.number<std::uint32_t>();
  head.uid_next = in.number<std::uint32_t>();
  head.message_count = in.number<std::uint32_t>();
  head.unseen_count = in.number<std::uint32_t>();
  head.total_octets = in.number<std::uint64_t>();
  const auto keywords = in.number<std::uint8_t>();
  if (!in.ok() || (bits & ~kHeadDeleted) != 0 || keywords > kKeywordsPerMailboxMax)
    return corrupted("mailbox head");
  head.keywords.reserve(keywords);
  for (std::uint8_t i = 0; i < keywords; ++i) {
    const std::string_view keyword = in.string();
    if (keyword.empty() || keyword.size() > kKeywordOctetsMax) return corrupted("mailbox head");
    head.keywords.emplace_back(keyword);
  }
  if (!in.done()) return corrupted("mailbox head");
  return head;
}

std::string encode_folder_row(const FolderRow& row) {
  POSTERN_ASSERT(row.name.size() <= kFolderNameOctetsMax);
  std::string out;
  out.reserve(6 + row.name.size());
  append_be(out, kFolderFormat);
  append_be(out, static_cast<std::uint8_t>((row.subscribed ? kFolderSubscribed : 0) |
                                           (row.deleted ? kFolderDeleted : 0)));
  append_string(out, row.name);
  return out;
}

Result<FolderRow> decode_folder_row(std::string_view record) {
  OctetReader in(record);
  const auto format = in.number<std::uint8_t>();
  if (!in.ok()) return corrupted("folder row");
  if (format != kFolderFormat) return newer("folder row");
  const auto bits = in.number<std::uint8_t>();
  const std::string_view name = in.string();
  if (!in.done() || name.size() > kFolderNameOctetsMax ||
      (bits & ~(kFolderSubscribed | kFolderDeleted)) != 0) {
    return corrupted("folder row");
  }
  return FolderRow{.name = std::string(name),
                   .subscribed = (bits & kFolderSubscribed) != 0,
                   .deleted = (bits & kFolderDeleted) != 0};
}

}  // namespace postern::store::schema

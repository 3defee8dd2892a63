#include "store/row_batch.hpp"

#include <algorithm>
#include <utility>

#include "runtime/assert.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

namespace {

// A busy group of some hundred deliveries fits without growing.
constexpr std::size_t kBatchReserveOctets = 256 * 1024;

// Older versions of one message that are stepped over before the iterator seeks behind them
// instead: a step costs about a tenth of a seek.
constexpr int kStepsBeforeSeek = 8;

}  // namespace

RowBatch::RowBatch(Database& database, MailboxQuotas* quotas)
    : database_(database), quotas_(quotas), batch_(kBatchReserveOctets) {}

void RowBatch::begin(std::uint64_t clock_tick) {
  batch_.Clear();
  clock_tick_ = clock_tick;
  rows_.reset();
  POSTERN_ASSERT(touched_.empty());
  staged_.clear();
  references_.clear();
  own_quotas_.clear();
  changes_.clear();
  doomed_.clear();
  cache_.trim();
}

rocksdb::Iterator& RowBatch::rows() {
  if (rows_ == nullptr) {
    rows_.reset(database_.mail().NewIterator(rocksdb::ReadOptions(), database_.rows()));
  }
  return *rows_;
}

Result<CachedMailbox*> RowBatch::mailbox(MailboxId id) {
  auto found = deleted_mailbox(id);
  if (found && (*found)->head.deleted) return fail(ErrorCode::not_found, "the mailbox was deleted");
  return found;
}

Result<CachedMailbox*> RowBatch::deleted_mailbox(MailboxId id) {
  if (CachedMailbox* cached = cache_.find(id)) return cached;
  auto head = read_head(rows(), id);
  if (!head) return std::unexpected(head.error());
  return &cache_.insert(std::move(*head));
}

Result<MessageState> RowBatch::current_state(const schema::MessageKeyParts& key,
                                             std::string_view record) const {
  if (const auto mailbox = staged_.find(key.mailbox); mailbox != staged_.end()) {
    const auto staged = mailbox->second.find(key.uid);
    if (staged != mailbox->second.end()) return staged->second;
  }
  auto row = schema::decode_message_row(record);
  if (!row) return std::unexpected(row.error());
  return MessageState{.uid = key.uid, .modseq = key.modseq, .row = *row};
}

Result<void> RowBatch::each_message(MailboxId mailbox, const std::vector<UidRange>& ranges,
                                    const std::function<bool(const MessageState&)>& visit) {
  const schema::OwnerPrefix prefix = schema::message_prefix(mailbox);
  rocksdb::Iterator& it = rows();
  for (const UidRange& range : ranges) {
    it.Seek(to_slice(schema::message_uid_prefix(mailbox, range.first)));
    std::optional<Uid> last_uid;
    int steps = 0;
    while (it.Valid() && to_view(it.key()).starts_with(prefix.view())) {
      const auto key = schema::parse_message_key(to_view(it.key()));
      if (!key) return std::unexpected(key.error());
      if (key->uid > range.last) break;
      if (last_uid == key->uid) {  // an older version
        if (++steps < kStepsBeforeSeek) {
          it.Next();
        } else if (key->uid == range.last) {
          break;
        } else {
          it.Seek(to_slice(schema::message_uid_prefix(mailbox, key->uid + 1)));
        }
        continue;
      }
      last_uid = key->uid;
      steps = 0;
      auto state = current_state(*key, to_view(it.value()));
      if (!state) return std::unexpected(state.error());
      if (state->row.kind == schema::MessageRow::Kind::live && !visit(*state)) return {};
      it.Next();
    }
    if (!it.status().ok()) return std::unexpected(to_error(it.status(), "reading a mailbox"));
  }
  return {};
}

Result<void> RowBatch::load_references(BodyId body) {
  if (references_.contains(raw(body))) return {};
  std::string record;
  const rocksdb::Status status = database_.mail().Get(rocksdb::ReadOptions(), database_.refs(),
                                                      to_slice(schema::body_id_key(body)), &record);
  std::uint32_t count = 0;
  if (status.ok()) {
    const auto decoded = schema::decode_u32(record);
    if (!decoded) return std::unexpected(decoded.error());
    count = *decoded;
  } else if (!status.IsNotFound()) {
    return std::unexpected(to_error(status, "reading a reference count"));
  }
  references_[raw(body)] = References{.before = count, .now = count};
  return {};
}

void RowBatch::create_mailbox(MailboxHead head) { touch(cache_.insert(std::move(head))); }

void RowBatch::touch(CachedMailbox& mailbox) {
  if (mailbox.touched) return;
  mailbox.touched = true;
  touched_.push_back(&mailbox);
}

void RowBatch::set_quota(MailboxId mailbox, std::optional<std::uint64_t> own_octets) {
  own_quotas_.emplace_back(mailbox, own_octets);
}

void RowBatch::put(rocksdb::ColumnFamilyHandle* family, std::string_view key,
                   std::string_view record) {
  const rocksdb::Status status = batch_.Put(family, to_slice(key), to_slice(record));
  POSTERN_ASSERT(status.ok());
}

void RowBatch::remove(rocksdb::ColumnFamilyHandle* family, std::string_view key) {
  const rocksdb::Status status = batch_.Delete(family, to_slice(key));
  POSTERN_ASSERT(status.ok());
}

void RowBatch::put_arrival(MailboxId mailbox, Uid uid, ModSeq modseq,
                           const schema::MessageRowOctets& row) {
  put(database_.rows(), schema::message_key(mailbox, uid, modseq), row);
}

void RowBatch::put_change(MailboxId mailbox, const MessageState& before,
                          const MessageState& state) {
  // A message without flags is most likely as it arrived, and arrivals are not in the log. If its
  // flags were taken away by a change, that change's entry stays: 21 octets, harmless.
  if (before.row.flags != FlagSet{}) {
    remove(database_.rows(), schema::change_key(mailbox, before.modseq, before.uid));
  }
  put(database_.rows(), schema::message_key(mailbox, state.uid, state.modseq),
      schema::encode_message_row(state.row));
  put(database_.rows(), schema::change_key(mailbox, state.modseq, state.uid), {});
  staged_[mailbox][state.uid] = state;
}

void RowBatch::note_expunged(MailboxId mailbox, Uid uid, ModSeq modseq) {
  put(database_.meta(), schema::expunged_key(clock_tick_, mailbox, uid),
      schema::encode_u64(modseq));
}

void RowBatch::put_references(BodyId body, std::uint32_t count) {
  put(database_.refs(), schema::body_id_key(body), schema::encode_u32(count));
}

void RowBatch::release(BodyId body, std::uint64_t size_octets) {
  const auto found = references_.find(raw(body));
  POSTERN_ASSERT(found != references_.end());
  // A count that is already zero means its row is missing: leave the octets alone rather than
  // guess.
  if (found->second.now == 0) return;
  --found->second.now;
  found->second.size_octets = size_octets;
}

void RowBatch::stage_references() {
  for (const auto& [body, references] : references_) {
    if (references.now == references.before) continue;
    if (references.now > 0) {
      put_references(BodyId{body}, references.now);
      continue;
    }
    const std::uint32_t chunks = schema::chunk_count(references.size_octets);
    remove(database_.refs(), schema::body_id_key(BodyId{body}));
    put(database_.meta(), schema::doomed_body_key(BodyId{body}), schema::encode_u32(chunks));
    doomed_.push_back(DoomedBody{.body = BodyId{body}, .chunks = chunks});
  }
}

void RowBatch::stage_heads() {
  for (const CachedMailbox* mailbox : touched_) {
    const MailboxHead& head = mailbox->head;
    scratch_.clear();
    schema::append_head(scratch_, head);
    put(database_.rows(), schema::head_key(head.id, head.highest_modseq), scratch_);
    changes_.push_back(MailboxChange{.mailbox = head.id, .modseq = head.highest_modseq});
  }
}

void RowBatch::publish_quotas() {
  for (const auto& [mailbox, own_octets] : own_quotas_) quotas_->set_limit(mailbox, own_octets);
  for (const CachedMailbox* mailbox : touched_) {
    const MailboxHead& head = mailbox->head;
    if (head.deleted) {
      quotas_->remove(head.id);
    } else {
      quotas_->set_used(head.id, head.total_octets);
    }
  }
}

bool RowBatch::dooms() const noexcept {
  return std::ranges::any_of(references_, [](const auto& entry) {
    return entry.second.now == 0 && entry.second.before > 0;
  });
}

rocksdb::Status RowBatch::commit(WriteGate& gate, bool sync) {
  stage_references();
  stage_heads();
  rows_.reset();
  rocksdb::Status status;
  if (batch_.Count() > 0) status = gate.write(batch_, sync);
  for (CachedMailbox* mailbox : touched_) mailbox->touched = false;
  if (!status.ok()) {
    for (const CachedMailbox* mailbox : touched_) cache_.forget(mailbox->head.id);
    changes_.clear();
    doomed_.clear();
  } else if (quotas_ != nullptr) {
    publish_quotas();
  }
  touched_.clear();
  return status;
}

}  // namespace postern::store

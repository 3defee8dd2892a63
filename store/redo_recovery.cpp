#include "store/redo_recovery.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include "store/delivery.hpp"
#include "store/engine_health.hpp"
#include "store/redo_log.hpp"
#include "store/row_batch.hpp"
#include "store/schema_private.hpp"
#include "store/write_gate.hpp"

namespace postern::store {

namespace {

using schema::GroupPosition;

Result<GroupPosition> applied_position(Database& database) {
  std::string record;
  const rocksdb::Status status = database.mail().Get(rocksdb::ReadOptions(), database.meta(),
                                                     to_slice(schema::kAppliedKey), &record);
  if (status.IsNotFound()) return GroupPosition{};
  if (!status.ok()) return std::unexpected(to_error(status, "reading the store's state"));
  return schema::decode_group_position(record);
}

/// Whether the message's last chunk, and so all of it, is in bodies/.
Result<bool> has_octets(Database& database, const SpoolRequest& request) {
  const std::uint32_t last = schema::chunk_count(request.size_octets) - 1;
  rocksdb::PinnableSlice chunk;
  const rocksdb::Status status =
      database.bodies().Get(rocksdb::ReadOptions(), database.bodies().DefaultColumnFamily(),
                            to_slice(schema::body_key(request.body, last)), &chunk);
  if (status.ok()) return true;
  if (status.IsNotFound()) return false;
  return std::unexpected(to_error(status, "reading a message's octets"));
}

/// Stages the message's rows. false: it has no octets, or no mailbox, any more.
Result<bool> restore(Database& database, RowBatch& batch, Delivery& delivery,
                     SpoolRequest& request) {
  const auto there = has_octets(database, request);
  if (!there || !*there) return there;
  if (delivery.stage(batch, request)) return true;
  // It was acknowledged: only what the envelope names may be in its way, never a disk that does not
  // answer.
  for (const EnvelopeRecipient& recipient : request.envelope.recipients) {
    for (const MailboxId id : recipient.mailboxes) {
      const auto mailbox = batch.mailbox(id);
      if (!mailbox && mailbox.error().code != ErrorCode::not_found) {
        return std::unexpected(mailbox.error());
      }
    }
  }
  return false;
}

/// One redo record: the rows of its messages from `from` on, in one synced batch.
Result<std::uint64_t> replay_group(Database& database, std::uint64_t clock_tick, GroupPosition from,
                                   std::uint64_t group, std::string_view record) {
  const auto entries = schema::decode_redo_record(record);
  if (!entries) return std::unexpected(entries.error());
  EngineHealthState health;
  WriteGate gate(database.mail(), health);
  RowBatch batch(database);
  Delivery delivery(database);
  batch.begin(clock_tick);
  std::uint64_t restored = 0;
  for (const auto& entry : *entries) {
    if (GroupPosition{.group = group, .index = entry->index} < from) continue;
    const auto done = restore(database, batch, delivery, entry->request);
    if (!done) return std::unexpected(done.error());
    restored += *done ? 1 : 0;
  }
  batch.put(database.meta(), schema::kAppliedKey,
            schema::encode_group_position(GroupPosition{.group = group + 1}));
  if (const auto status = batch.commit(gate, true); !status.ok()) {
    return std::unexpected(to_error(status, "writing rows again"));
  }
  return restored;
}

}  // namespace

Result<void> replay_redo(Database& database, Recovered& state) {
  const auto applied = applied_position(database);
  if (!applied) return std::unexpected(applied.error());
  state.next_group = applied->group + (applied->index > 0 ? 1 : 0);
  const std::unique_ptr<rocksdb::Iterator> it(
      database.bodies().NewIterator(rocksdb::ReadOptions(), database.redo()));
  for (it->Seek(to_slice(schema::redo_key(applied->group))); it->Valid(); it->Next()) {
    const auto group = schema::parse_redo_key(to_view(it->key()));
    if (!group) return std::unexpected(group.error());
    const auto restored =
        replay_group(database, state.clock_tick, *applied, *group, to_view(it->value()));
    if (!restored) return std::unexpected(restored.error());
    state.messages_restored += *restored;
    state.next_group = std::max(state.next_group, *group + 1);
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading the redo log"));
  return {};
}

}  // namespace postern::store

#include "store/recovery.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <rocksdb/write_batch.h>
#include <string>

#include "store/directory_apply.hpp"
#include "store/redo_recovery.hpp"

namespace postern::store {

namespace {

using IteratorPtr = std::unique_ptr<rocksdb::Iterator>;

// Deletions per batch while orphans are removed: bounds its memory.
constexpr std::uint32_t kDeletionsPerBatch = 10'000;

/// A row of the meta family; nullopt when it is not there.
Result<std::optional<std::string>> read_meta(Database& database, std::string_view key) {
  std::string record;
  const rocksdb::Status status =
      database.mail().Get(rocksdb::ReadOptions(), database.meta(), to_slice(key), &record);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return std::unexpected(to_error(status, "reading the store's state"));
  return record;
}

Result<std::uint64_t> read_meta_number(Database& database, std::string_view key,
                                       std::uint64_t otherwise) {
  auto record = read_meta(database, key);
  if (!record) return std::unexpected(record.error());
  if (!*record) return otherwise;
  return schema::decode_u64(**record);
}

/// true: the store is new.
Result<bool> check_format(Database& database) {
  auto record = read_meta(database, schema::kFormatKey);
  if (!record) return std::unexpected(record.error());
  if (!*record) return true;
  const auto version = schema::decode_u32(**record);
  if (!version) return std::unexpected(version.error());
  if (*version > schema::kStoreFormat) {
    return fail(ErrorCode::unsupported,
                fmt::format("the store has format {}, this version knows formats up to {}: it was "
                            "written by a newer version; use that version, or restore a backup",
                            *version, schema::kStoreFormat));
  }
  return false;
}

Result<void> load_removal_lists(Database& database, Recovered& state) {
  const IteratorPtr it(database.mail().NewIterator(rocksdb::ReadOptions(), database.meta()));
  for (it->Seek(to_slice(schema::kDoomedBodyPrefix));
       it->Valid() && to_view(it->key()).starts_with(schema::kDoomedBodyPrefix); it->Next()) {
    const auto body = schema::parse_doomed_key(to_view(it->key()));
    if (!body) return std::unexpected(body.error());
    const auto chunks = schema::decode_u32(to_view(it->value()));
    if (!chunks) return std::unexpected(chunks.error());
    state.doomed_bodies.push_back(DoomedBody{.body = BodyId{*body}, .chunks = *chunks});
  }
  for (it->Seek(to_slice(schema::kDoomedMailboxPrefix));
       it->Valid() && to_view(it->key()).starts_with(schema::kDoomedMailboxPrefix); it->Next()) {
    const auto mailbox = schema::parse_doomed_key(to_view(it->key()));
    if (!mailbox) return std::unexpected(mailbox.error());
    state.doomed_mailboxes.push_back(MailboxId{*mailbox});
  }
  if (!it->status().ok())
    return std::unexpected(to_error(it->status(), "reading the store's state"));
  return {};
}

Result<void> load_clock(Database& database, Recovered& state) {
  const IteratorPtr it(database.mail().NewIterator(rocksdb::ReadOptions(), database.rows()));
  constexpr char kPrefix = static_cast<char>(schema::RowKind::clock);
  it->Seek(rocksdb::Slice(&kPrefix, 1));
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading the clock row"));
  if (!it->Valid() || !it->key().starts_with(rocksdb::Slice(&kPrefix, 1))) return {};
  const auto tick = schema::parse_clock_key(to_view(it->key()));
  if (!tick) return std::unexpected(tick.error());
  state.clock_tick = *tick;
  return {};
}

Result<bool> is_referenced(Database& database, BodyId body) {
  std::string record;
  const rocksdb::Status status = database.mail().Get(rocksdb::ReadOptions(), database.refs(),
                                                     to_slice(schema::body_id_key(body)), &record);
  if (!status.ok() && !status.IsNotFound()) {
    return std::unexpected(to_error(status, "reading a reference count"));
  }
  return status.ok();
}

Result<void> write_bodies(Database& database, rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = database.bodies().Write(options, &batch);
  batch.Clear();
  if (!status.ok()) return std::unexpected(to_error(status, "removing bodies without rows"));
  return {};
}

/// Removes every body at or above the low-water mark that no row names: what was durable when its
/// rows were not yet, and chunks of messages that never ended.
Result<void> remove_orphans(Database& database, Recovered& state) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const IteratorPtr it(database.bodies().NewIterator(options));
  rocksdb::WriteBatch batch;
  it->Seek(to_slice(schema::body_key(state.low_water, 0)));
  while (it->Valid()) {
    const auto first = schema::parse_body_key(to_view(it->key()));
    if (!first) return std::unexpected(first.error());
    const auto referenced = is_referenced(database, first->body);
    if (!referenced) return std::unexpected(referenced.error());
    if (*referenced) {
      it->Seek(to_slice(schema::body_key(BodyId{raw(first->body) + 1}, 0)));
      continue;
    }
    ++state.bodies_removed;
    for (; it->Valid(); it->Next()) {
      const auto key = schema::parse_body_key(to_view(it->key()));
      if (!key) return std::unexpected(key.error());
      if (key->body != first->body) break;
      if (const auto status = batch.Delete(it->key()); !status.ok()) {
        return std::unexpected(to_error(status, "removing bodies without rows"));
      }
      if (batch.Count() < kDeletionsPerBatch) continue;
      if (auto written = write_bodies(database, batch, false); !written) return written;
    }
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading bodies"));
  // Synced even when empty of deletions of its own: earlier batches were not.
  if (state.bodies_removed > 0) return write_bodies(database, batch, true);
  return {};
}

/// Makes the new start durable: format, body id block, low-water mark and the clock row, which
/// tells secondaries that what they remember of the log before the restart is flushed.
Result<void> write_start(Database& database, Recovered& state, bool is_new) {
  state.next_body = state.ceiling;
  state.low_water = state.next_body;
  state.ceiling = BodyId{raw(state.next_body) + kBodyIdBlock};
  rocksdb::WriteBatch batch;
  rocksdb::Status status;
  const auto put = [&](rocksdb::ColumnFamilyHandle* family, std::string_view key,
                       std::string_view record) {
    if (status.ok()) status = batch.Put(family, to_slice(key), to_slice(record));
  };
  if (is_new) put(database.meta(), schema::kFormatKey, schema::encode_u32(schema::kStoreFormat));
  put(database.meta(), schema::kBodyCeilingKey, schema::encode_u64(raw(state.ceiling)));
  put(database.meta(), schema::kLowWaterKey, schema::encode_u64(raw(state.low_water)));
  put(database.rows(), schema::clock_key(++state.clock_tick), {});
  rocksdb::WriteOptions options;
  options.sync = true;
  if (status.ok()) status = database.mail().Write(options, &batch);
  if (!status.ok()) return std::unexpected(to_error(status, "writing the store's state"));
  return {};
}

}  // namespace

Result<Recovered> recover(Database& database) {
  const auto is_new = check_format(database);
  if (!is_new) return std::unexpected(is_new.error());
  Recovered state;
  auto counters = read_meta(database, schema::kCountersKey);
  if (!counters) return std::unexpected(counters.error());
  if (*counters) {
    const auto decoded = schema::decode_counters(**counters);
    if (!decoded) return std::unexpected(decoded.error());
    state.counters = *decoded;
  }
  const auto ceiling = read_meta_number(database, schema::kBodyCeilingKey, 1);
  if (!ceiling) return std::unexpected(ceiling.error());
  state.ceiling = BodyId{*ceiling};
  const auto low_water = read_meta_number(database, schema::kLowWaterKey, 1);
  if (!low_water) return std::unexpected(low_water.error());
  state.low_water = BodyId{*low_water};

  if (auto loaded = load_removal_lists(database, state); !loaded) {
    return std::unexpected(loaded.error());
  }
  if (auto loaded = load_clock(database, state); !loaded) return std::unexpected(loaded.error());
  auto directory = load_directory(database);
  if (!directory) return std::unexpected(directory.error());
  state.directory = std::move(*directory);
  if (auto restored = replay_redo(database, state); !restored) {
    return std::unexpected(restored.error());
  }
  if (auto removed = remove_orphans(database, state); !removed) {
    return std::unexpected(removed.error());
  }
  if (auto written = write_start(database, state, *is_new); !written) {
    return std::unexpected(written.error());
  }
  return state;
}

}  // namespace postern::store

#include "store/expunge_collector.hpp"

#include <memory>
#include <vector>

#include "store/schema_private.hpp"

namespace postern::store {

namespace {

// Rows a step removes at most, so that mail that waits meanwhile does not notice.
constexpr std::size_t kStepRows = 1000;

// Clock rows remembered while no view has reached them. Forgetting the oldest costs nothing: a view
// that passes a newer one has passed it too.
constexpr std::size_t kClocksMax = 1024;

}  // namespace

void ExpungeCollector::clock_written(std::uint64_t tick, StorePosition position) {
  clocks_.emplace_back(tick, position);
  if (clocks_.size() > kClocksMax) clocks_.pop_front();
}

Result<bool> ExpungeCollector::stage(RowBatch& batch, StorePosition oldest_view) {
  while (!clocks_.empty() && clocks_.front().second <= oldest_view) {
    seen_tick_ = clocks_.front().first;
    clocks_.pop_front();
  }
  finished_ = false;
  if (seen_tick_ == done_tick_ || seen_tick_ < kTicks) return false;
  const std::unique_ptr<rocksdb::Iterator> it(
      database_.mail().NewIterator(rocksdb::ReadOptions(), database_.meta()));
  std::size_t staged = 0;
  for (it->Seek(to_slice(schema::kExpungedPrefix));
       it->Valid() && to_view(it->key()).starts_with(schema::kExpungedPrefix); it->Next()) {
    const auto entry = schema::parse_expunged_key(to_view(it->key()));
    if (!entry) return std::unexpected(entry.error());
    if (entry->tick + kTicks > seen_tick_) break;  // the rest is younger
    if (staged >= kStepRows) return true;
    const auto rows = stage_entry(batch, to_view(it->key()), to_view(it->value()));
    if (!rows) return std::unexpected(rows.error());
    staged += *rows;
  }
  if (!it->status().ok())
    return std::unexpected(to_error(it->status(), "reading expunged messages"));
  finished_ = true;
  if (staged == 0) done_tick_ = seen_tick_;
  return staged > 0;
}

Result<std::size_t> ExpungeCollector::stage_entry(RowBatch& batch, std::string_view key,
                                                  std::string_view record) {
  const auto entry = schema::parse_expunged_key(key);
  if (!entry) return std::unexpected(entry.error());
  const auto modseq = schema::decode_u64(record);
  if (!modseq) return std::unexpected(modseq.error());
  std::vector<ModSeq> versions;
  const schema::UidPrefix prefix = schema::message_uid_prefix(entry->mailbox, entry->uid);
  rocksdb::Iterator& rows = batch.rows();
  for (rows.Seek(to_slice(prefix)); rows.Valid() && to_view(rows.key()).starts_with(prefix.view());
       rows.Next()) {
    const auto version = schema::parse_message_key(to_view(rows.key()));
    if (!version) return std::unexpected(version.error());
    versions.push_back(version->modseq);
  }
  if (!rows.status().ok()) {
    return std::unexpected(to_error(rows.status(), "reading expunged messages"));
  }
  batch.remove(database_.meta(), key);
  const bool alone = versions.size() == 1 && versions.front() == *modseq;
  for (const ModSeq version : versions) {
    if (version != *modseq || alone) {
      batch.remove(database_.rows(), schema::message_key(entry->mailbox, entry->uid, version));
    }
  }
  if (!versions.empty() && !alone) batch.note_expunged(entry->mailbox, entry->uid, *modseq);
  return versions.size() + 1;
}

void ExpungeCollector::committed(bool durable) {
  if (durable && finished_) done_tick_ = seen_tick_;
  finished_ = false;
}

}  // namespace postern::store

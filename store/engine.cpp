#include "store/engine.hpp"

#include <atomic>
#include <mutex>
#include <utility>

#include "runtime/assert.hpp"
#include "store/body_stage.hpp"
#include "store/database.hpp"
#include "store/directory_holder.hpp"
#include "store/disk_space.hpp"
#include "store/engine_open.hpp"
#include "store/mailbox_scan.hpp"
#include "store/recovery.hpp"
#include "store/row_inbox.hpp"
#include "store/row_stage.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

/// Everything an engine consists of. Members are destroyed from the last to the first: stages, then
/// the database, then what its listener touches.
class EngineState {
 public:
  EngineState(const EngineOptions& options)
      : disk(options.path, options.disk_free_min_octets, health),
        quotas(options.mailbox_quota_octets) {}

  EngineHealthState health;
  DiskSpace disk;
  RowInbox inbox;
  ViewHorizon horizon;
  MailboxQuotas quotas;
  std::unique_ptr<Database> database;
  std::unique_ptr<DirectoryHolder> directory;
  std::unique_ptr<RowStage> rows;
  std::unique_ptr<BodyStage> bodies;
  std::mutex close_mutex;
  std::uint64_t messages_restored = 0;  // by the start
  std::uint64_t bodies_removed = 0;
};

Engine::Engine(std::unique_ptr<EngineState> state) : state_(std::move(state)) {}

Engine::~Engine() { close(); }

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options, CompletionSink& sink) {
  return open_engine(std::move(options), sink, nullptr);
}

Result<std::unique_ptr<Engine>> open_engine(EngineOptions options, CompletionSink& sink,
                                            rocksdb::Env* env) {
  POSTERN_ASSERT(options.cores > 0 && options.queue_requests > 0);
  auto state = std::make_unique<EngineState>(options);
  RowInbox& inbox = state->inbox;
  auto database = Database::open({.path = options.path,
                                  .row_memtable_octets = options.row_memtable_octets,
                                  .body_memtable_octets = options.body_memtable_octets,
                                  .on_rows_flushed = [&inbox] { inbox.rows_flushed(); },
                                  .horizon = &state->horizon,
                                  .env = env});
  if (!database) return std::unexpected(database.error());
  state->database = std::move(*database);
  auto start = recover(*state->database);
  if (!start) return std::unexpected(start.error());
  state->messages_restored = start->messages_restored;
  state->bodies_removed = start->bodies_removed;
  // What recovery found in logs is in table files now.
  state->horizon.set_flushing(state->database->mail().GetLatestSequenceNumber());
  state->disk.refresh(read_clocks().mono);
  if (auto loaded = load_quotas(*state->database, *start->directory, state->quotas); !loaded) {
    return std::unexpected(loaded.error());
  }
  state->directory = std::make_unique<DirectoryHolder>(std::move(start->directory));
  state->rows =
      std::make_unique<RowStage>(*state->database, state->health, inbox, *state->directory,
                                 state->horizon, sink, state->quotas, options, *start);
  state->bodies =
      std::make_unique<BodyStage>(*state->database, state->health, state->disk, inbox,
                                  BodyStage::Options{.cores = options.cores,
                                                     .queue_requests = options.queue_requests,
                                                     .next_body = start->next_body,
                                                     .ceiling = start->ceiling,
                                                     .doomed = std::move(start->doomed_bodies),
                                                     .next_group = start->next_group});
  state->rows->start(*state->bodies);
  state->bodies->start();
  return EngineAccess::make(std::move(state));
}

std::unique_ptr<Engine> EngineAccess::make(std::unique_ptr<EngineState> state) {
  return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

bool Engine::submit(SpoolRequest* request) { return state_->bodies->submit(request); }

void Engine::apply(Mutation mutation, std::move_only_function<void(Result<MutationReply>)> done) {
  state_->inbox.add(MutationRequest{std::move(mutation), std::move(done)});
}

void Engine::apply(DirectoryChange change,
                   std::move_only_function<void(Result<DirectoryReply>)> done) {
  state_->inbox.add(DirectoryRequest{std::move(change), std::move(done)});
}

DirectoryPtr Engine::directory() const { return state_->directory->get(); }

std::uint64_t Engine::directory_generation() const noexcept {
  return state_->directory->generation();
}

StorePosition Engine::position() const noexcept { return state_->rows->position(); }

Result<std::vector<QueueEntry>> Engine::list_queue(std::size_t limit) const {
  std::vector<QueueEntry> entries;
  const std::unique_ptr<rocksdb::Iterator> it(
      state_->database->mail().NewIterator(rocksdb::ReadOptions(), state_->database->queue()));
  for (it->SeekToFirst(); it->Valid() && entries.size() < limit; it->Next()) {
    const auto body = schema::parse_body_id_key(to_view(it->key()));
    if (!body) return std::unexpected(body.error());
    auto entry = schema::decode_queue_row(*body, to_view(it->value()));
    if (!entry) return std::unexpected(entry.error());
    entries.push_back(std::move(*entry));
  }
  if (!it->status().ok()) return std::unexpected(to_error(it->status(), "reading the queue"));
  return entries;
}

Result<std::vector<MailboxId>> Engine::list_mailboxes(AccountId account) const {
  return scan_mailboxes(*state_->database, account);
}

Result<OlderMessages> Engine::find_older(MailboxId mailbox, std::int64_t before_unix_ms, Uid from,
                                         const ScanLimits& limits) const {
  return scan_older(*state_->database, mailbox, before_unix_ms, from, limits);
}

const MailboxQuotas& Engine::quotas() const noexcept { return state_->quotas; }

Result<std::vector<MailboxNote>> Engine::list_quota_notes() const {
  return scan_quota_notes(*state_->database);
}

EngineHealth Engine::health() const noexcept { return state_->health.get(); }

std::string Engine::health_text() const { return state_->health.why(); }

EngineStats Engine::stats() const noexcept {
  EngineStats stats;
  stats.bodies = state_->bodies->stats();
  stats.requests_waiting = state_->bodies->submitted();
  stats.bodies_open = state_->bodies->open();
  stats.disk_free_octets = state_->disk.free_octets();
  stats.rows_collected = state_->horizon.dropped();
  stats.messages_restored = state_->messages_restored;
  stats.bodies_removed = state_->bodies_removed;
  state_->rows->add_to(stats);
  return stats;
}

void Engine::set_oldest_view(StorePosition position) noexcept {
  state_->horizon.set_oldest_view(position);
}

void Engine::close() {
  const std::lock_guard lock(state_->close_mutex);
  state_->bodies->stop();
  state_->rows->join();
}

}  // namespace postern::store

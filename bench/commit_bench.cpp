// What a durable 4 KiB message costs the store: messages a second and CPU a message, by how many
// messages are in flight at once. Four arms with the same rows:
//   one_database   bodies and rows in one RocksDB, a WriteBatch and (synced) an fsync a group
//   two_databases  ours without the engine: bodies, fsync, then rows, fsync, one after the other
//   engine         the product: two databases, the stages pipelined, always synced
// each but the engine also unsynced (never done in production: it shows what the fsync itself
// takes). In flight: messages of one group (plain arms), or not yet answered (engine: what forms
// groups). bench/README.md: how to run. $POSTERN_BENCH_DIR: where (a disk, not memory).
#include <benchmark/benchmark.h>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bench/bench_folder.hpp"
#include "bench/cpu_meter.hpp"
#include "bench/delivery_rows.hpp"
#include "store/engine.hpp"

namespace {

using namespace postern;
using bench::BenchFolder;
using bench::CpuMeter;
using bench::DeliveryRows;

constexpr std::size_t kMessageOctets = 4096;
constexpr std::size_t kMailboxes = DeliveryRows::kMailboxes;

void report(benchmark::State& state, const CpuMeter& cpu, std::int64_t messages,
            std::int64_t groups) {
  const auto count = static_cast<double>(messages);
  state.SetItemsProcessed(messages);
  state.counters["cpu_us_per_message"] = cpu.micros() / count;
  state.counters["messages_per_sync"] = count / static_cast<double>(groups);
}

// --- without the engine
// ---------------------------------------------------------------------------

std::unique_ptr<store::Database> open_database(const BenchFolder& folder) {
  store::DatabaseOptions options;
  options.path = folder.path();
  options.on_rows_flushed = [] {};
  auto opened = store::Database::open(std::move(options));
  return opened ? std::move(*opened) : nullptr;
}

// As store/database.cpp sets up bodies/, for bodies that share a database with the rows.
rocksdb::ColumnFamilyHandle* make_body_family(rocksdb::DB& db) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = store::DatabaseOptions{}.body_memtable_octets;
  options.max_write_buffer_number = 6;
  options.compression = rocksdb::kNoCompression;
  rocksdb::ColumnFamilyHandle* family = nullptr;
  return db.CreateColumnFamily(options, "bodies", &family).ok() ? family : nullptr;
}

void one_database(benchmark::State& state) {
  const auto group = state.range(0);
  const BenchFolder folder;
  const auto database = open_database(folder);
  if (database == nullptr) return state.SkipWithError("cannot open a database");
  rocksdb::ColumnFamilyHandle* bodies = make_body_family(database->mail());
  if (bodies == nullptr) return state.SkipWithError("cannot make a column family");
  DeliveryRows rows({database->rows(), database->refs(), bodies});
  rocksdb::WriteOptions options;
  options.sync = state.range(1) != 0;
  const std::string octets(kMessageOctets, 'x');
  rocksdb::WriteBatch batch;
  const CpuMeter cpu;
  for (auto _ : state) {
    batch.Clear();
    for (std::int64_t i = 0; i < group; ++i) {
      rows.put_body(batch, octets);
      rows.put_rows(batch, rows.last_body(), octets.size());
    }
    rows.put_heads(batch);
    if (!database->mail().Write(options, &batch).ok()) return state.SkipWithError("write failed");
  }
  report(state, cpu, state.iterations() * group, state.iterations());
  database->mail().DestroyColumnFamilyHandle(bodies);
}

void two_databases(benchmark::State& state) {
  const auto group = state.range(0);
  const BenchFolder folder;
  const auto database = open_database(folder);
  if (database == nullptr) return state.SkipWithError("cannot open a database");
  DeliveryRows rows({database->rows(), database->refs(), database->bodies().DefaultColumnFamily()});
  rocksdb::WriteOptions options;
  options.sync = state.range(1) != 0;
  const std::string octets(kMessageOctets, 'x');
  rocksdb::WriteBatch bodies, batch;
  const CpuMeter cpu;
  for (auto _ : state) {
    bodies.Clear();
    batch.Clear();
    for (std::int64_t i = 0; i < group; ++i) {
      rows.put_body(bodies, octets);
      rows.put_rows(batch, rows.last_body(), octets.size());
    }
    rows.put_heads(batch);
    if (!database->bodies().Write(options, &bodies).ok() ||
        !database->mail().Write(options, &batch).ok()) {
      return state.SkipWithError("write failed");
    }
  }
  report(state, cpu, state.iterations() * group, state.iterations());
}

// --- the engine
// -----------------------------------------------------------------------------------

/// Collects completions for the one submitting thread.
class Completions final : public store::CompletionSink {
 public:
  void complete(std::uint32_t, store::SpoolRequest** requests, std::size_t count) override {
    {
      const std::lock_guard lock(mutex_);
      finished_.insert(finished_.end(), requests, requests + count);
    }
    changed_.notify_one();
  }
  /// Waits for one completion at least, and takes all there are.
  void take(std::vector<store::SpoolRequest*>& into) {
    into.clear();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !finished_.empty(); });
    into.swap(finished_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<store::SpoolRequest*> finished_;
};

store::MailboxId add_mailbox(store::Engine& engine, std::size_t index) {
  std::promise<Result<store::DirectoryReply>> promise;
  auto reply = promise.get_future();
  engine.apply(
      store::AddUser{.name = "u" + std::to_string(index) + "@bench.test", .password_hash = {}},
      [&](Result<store::DirectoryReply> result) { promise.set_value(std::move(result)); });
  const auto added = reply.get();
  return added ? added->inbox : store::MailboxId{};
}

bool add_mailboxes(store::Engine& engine, std::vector<store::MailboxId>& mailboxes) {
  std::promise<void> added;
  engine.apply(store::AddDomain{"bench.test"},
               [&](const Result<store::DirectoryReply>&) { added.set_value(); });
  added.get_future().wait();
  for (std::size_t i = 0; i < kMailboxes; ++i) mailboxes.push_back(add_mailbox(engine, i));
  return mailboxes.back() != store::MailboxId{};
}

// As a session would hand it over.
void refill(store::SpoolRequest& request, store::MailboxId mailbox, std::string_view octets) {
  store::MessageBody body;
  body.append(octets);
  request = store::SpoolRequest{};
  request.id = "D00000000000001";
  request.envelope.reverse_path = "load@client.test";
  request.envelope.recipients.push_back({.address = "u@bench.test", .mailboxes = {mailbox}});
  request.size_octets = body.size();
  request.segment = body.take_rest();
  request.arrival_unix_ms = 1'700'000'000'000;
}

void engine(benchmark::State& state) {
  const auto in_flight = static_cast<std::size_t>(state.range(0));
  const BenchFolder folder;
  Completions completions;
  std::vector<store::SpoolRequest> requests(in_flight);  // outlive the engine
  store::EngineOptions options;
  options.path = folder.path();
  auto opened = store::Engine::open(options, completions);
  if (!opened) return state.SkipWithError(opened.error().message.c_str());
  store::Engine& engine = **opened;
  std::vector<store::MailboxId> mailboxes;
  if (!add_mailboxes(engine, mailboxes)) return state.SkipWithError("cannot make mailboxes");

  const std::string octets(kMessageOctets, 'x');
  std::vector<store::SpoolRequest*> finished;
  for (auto& request : requests) finished.push_back(&request);
  std::size_t next_mailbox = 0;
  std::int64_t durable = 0;
  const std::uint64_t groups_before = engine.stats().bodies.groups;
  const CpuMeter cpu;
  // A turn answers what came back by submitting as much again, as sessions in a closed loop do.
  for (auto _ : state) {
    for (store::SpoolRequest* request : finished) {
      refill(*request, mailboxes[next_mailbox++ % kMailboxes], octets);
      if (!engine.submit(request)) return state.SkipWithError("queue full");
    }
    completions.take(finished);
    for (const store::SpoolRequest* request : finished) {
      if (request->outcome != store::SpoolOutcome::durable) {
        return state.SkipWithError("a message was refused");
      }
    }
    durable += static_cast<std::int64_t>(finished.size());
  }
  report(state, cpu, durable,
         static_cast<std::int64_t>(engine.stats().bodies.groups - groups_before));
  engine.close();
}

const std::vector<std::int64_t> kInFlight = {1, 8, 64, 256};

BENCHMARK(one_database)
    ->ArgsProduct({kInFlight, {0, 1}})
    ->ArgNames({"in_flight", "sync"})
    ->UseRealTime();
BENCHMARK(two_databases)
    ->ArgsProduct({kInFlight, {0, 1}})
    ->ArgNames({"in_flight", "sync"})
    ->UseRealTime();
BENCHMARK(engine)->ArgsProduct({kInFlight})->ArgNames({"in_flight"})->UseRealTime();

}  // namespace

BENCHMARK_MAIN();

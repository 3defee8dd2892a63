// What following the store costs a sidecar: CPU of one catch-up, by how many messages arrived since
// the last one. The writer is a process of its own, as the gateway is; all CPU of this process
// counts.
//   rows           our layout: the secondary of mail/, which holds rows alone
//   reader_view    the same through ReaderView::advance(), what sidecars call
//   shared_wal     one database for bodies and rows; the secondary opens the rows' family only
//   shared_memtable  the same, with the bodies' family opened too
// `messages` 0: nothing arrived, the price of asking. Time is CPU time of the catch-up.
// bench/README.md: how to run. $POSTERN_BENCH_DIR: where.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <rocksdb/table.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "bench/bench_folder.hpp"
#include "bench/cpu_meter.hpp"
#include "bench/delivery_rows.hpp"
#include "store/reader_view.hpp"
#include "store/secondary_db.hpp"

namespace {

using namespace postern;
using bench::BenchFolder;
using bench::CpuMeter;
using bench::DeliveryRows;

constexpr std::size_t kMessageOctets = 4096;
// Deliveries of one write: what a busy gateway makes durable with one fsync.
constexpr std::uint64_t kGroup = 32;

enum class Layout : std::uint32_t { two_databases, one_database };

// --- the writer's process
// -------------------------------------------------------------------------

/// What the writer is told. An answer is one octet: 1 for done.
struct Command {
  enum class Kind : std::uint32_t { open, write, close };
  Kind kind;
  Layout layout;
  std::uint64_t messages;
  char path[512];
};

class Writer {
 public:
  bool open(const std::string& path, Layout layout) {
    store::DatabaseOptions options;
    options.path = path;
    options.on_rows_flushed = [] {};
    auto opened = store::Database::open(std::move(options));
    if (!opened) return false;
    database_ = std::move(*opened);
    one_database_ = layout == Layout::one_database;
    bodies_ = database_->bodies().DefaultColumnFamily();
    if (one_database_) {
      rocksdb::ColumnFamilyOptions family;
      family.write_buffer_size = store::DatabaseOptions{}.body_memtable_octets;
      family.max_write_buffer_number = 6;
      family.compression = rocksdb::kNoCompression;
      if (!database_->mail().CreateColumnFamily(family, "bodies", &bodies_).ok()) return false;
    }
    rows_ = std::make_unique<DeliveryRows>(
        bench::DeliveryFamilies{database_->rows(), database_->refs(), bodies_});
    return write(kGroup);  // so that there is something to open
  }
  // Unsynced: what a reader sees does not depend on it.
  bool write(std::uint64_t messages) {
    const std::string octets(kMessageOctets, 'x');
    for (std::uint64_t done = 0; done < messages;) {
      rocksdb::WriteBatch bodies, rows;
      rocksdb::WriteBatch& first = one_database_ ? rows : bodies;
      for (std::uint64_t i = 0; i < kGroup && done < messages; ++i, ++done) {
        rows_->put_body(first, octets);
        rows_->put_rows(rows, rows_->last_body(), octets.size());
      }
      rows_->put_heads(rows);
      if (!one_database_ && !database_->bodies().Write({}, &bodies).ok()) return false;
      if (!database_->mail().Write({}, &rows).ok()) return false;
    }
    return true;
  }
  void close() {
    rows_.reset();
    if (one_database_) database_->mail().DestroyColumnFamilyHandle(bodies_);
    database_.reset();
  }

 private:
  std::unique_ptr<store::Database> database_;
  rocksdb::ColumnFamilyHandle* bodies_ = nullptr;
  std::unique_ptr<DeliveryRows> rows_;
  bool one_database_ = false;
};

[[noreturn]] void run_writer(int commands, int answers) {
  Writer writer;
  Command command{};
  while (::read(commands, &command, sizeof command) == sizeof command) {
    bool done = true;
    switch (command.kind) {
      case Command::Kind::open:
        done = writer.open(command.path, command.layout);
        break;
      case Command::Kind::write:
        done = writer.write(command.messages);
        break;
      case Command::Kind::close:
        writer.close();
        break;
    }
    const char answer = done ? 1 : 0;
    if (::write(answers, &answer, 1) != 1) break;
  }
  std::_Exit(0);
}

/// Forked before this process has any thread; ends with it.
class WriterProcess {
 public:
  bool start() {
    int commands[2], answers[2];
    if (::pipe(commands) != 0 || ::pipe(answers) != 0) return false;
    child_ = ::fork();
    if (child_ == 0) {
      ::close(commands[1]);
      ::close(answers[0]);
      run_writer(commands[0], answers[1]);
    }
    ::close(commands[0]);
    ::close(answers[1]);
    commands_ = commands[1];
    answers_ = answers[0];
    return child_ > 0;
  }
  void stop() {
    ::close(commands_);
    ::waitpid(child_, nullptr, 0);
  }
  bool open(const std::string& path, Layout layout) {
    Command command{.kind = Command::Kind::open, .layout = layout, .messages = 0, .path = {}};
    if (path.empty() || path.size() >= sizeof command.path) return false;
    std::memcpy(command.path, path.data(), path.size());
    return call(command);
  }
  bool write(std::uint64_t messages) {
    return call({.kind = Command::Kind::write, .layout = {}, .messages = messages, .path = {}});
  }
  void close() {
    (void)call({.kind = Command::Kind::close, .layout = {}, .messages = 0, .path = {}});
  }

 private:
  bool call(const Command& command) {
    char answer = 0;
    return ::write(commands_, &command, sizeof command) == sizeof command &&
           ::read(answers_, &answer, 1) == 1 && answer == 1;
  }
  pid_t child_ = -1;
  int commands_ = -1;
  int answers_ = -1;
};

WriterProcess writer;

// --- the follower
// ---------------------------------------------------------------------------------

/// Lets the writer write and `follow` catch up, in turn; only the latter is measured.
template <class Follow>
void measure(benchmark::State& state, Follow follow) {
  const auto messages = static_cast<std::uint64_t>(state.range(0));
  double total_micros = 0;
  for (auto _ : state) {
    if (messages > 0 && !writer.write(messages)) return state.SkipWithError("the writer failed");
    const CpuMeter cpu;
    if (!follow()) return state.SkipWithError("the catch-up failed");
    const double micros = cpu.micros();
    total_micros += micros;
    state.SetIterationTime(micros / 1e6);
  }
  if (messages > 0) {
    state.counters["cpu_us_per_message"] =
        total_micros /
        static_cast<double>(messages * static_cast<std::uint64_t>(state.iterations()));
  }
}

void follow_secondary(benchmark::State& state, Layout layout) {
  const BenchFolder folder;
  if (!writer.open(folder.path(), layout)) return state.SkipWithError("the writer cannot open");
  {
    auto secondary = store::SecondaryDb::open({.path = folder.path() + "/mail",
                                               .scratch_path = folder.path() + "/reader",
                                               .block_cache_octets = std::size_t{8} << 20});
    if (secondary) {
      measure(state, [&] { return (*secondary)->catch_up().has_value(); });
    } else {
      state.SkipWithError(secondary.error().message.c_str());
    }
  }
  writer.close();
}

void rows(benchmark::State& state) { follow_secondary(state, Layout::two_databases); }
void shared_wal(benchmark::State& state) { follow_secondary(state, Layout::one_database); }

void reader_view(benchmark::State& state) {
  const BenchFolder folder;
  if (!writer.open(folder.path(), Layout::two_databases)) {
    return state.SkipWithError("the writer cannot open");
  }
  {
    store::ReaderViewOptions options;
    options.store_path = folder.path();
    options.scratch_path = folder.path() + "/reader";
    auto view = store::ReaderView::open(options);
    if (view) {
      measure(state, [&] { return (*view)->advance().has_value(); });
    } else {
      state.SkipWithError(view.error().message.c_str());
    }
  }
  writer.close();
}

// A secondary that opens every family; otherwise set up like store/secondary_db.cpp.
void shared_memtable(benchmark::State& state) {
  const BenchFolder folder;
  if (!writer.open(folder.path(), Layout::one_database)) {
    return state.SkipWithError("the writer cannot open");
  }
  rocksdb::Options options;
  options.max_open_files = -1;
  options.max_file_opening_threads = 1;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const char* name : {"default", "bodies"}) families.emplace_back(name, options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::OpenAsSecondary(
      options, folder.path() + "/mail", folder.path() + "/reader", families, &handles, &opened);
  if (status.ok()) {
    const std::unique_ptr<rocksdb::DB> db(opened);
    measure(state, [&] { return db->TryCatchUpWithPrimary().ok(); });
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  } else {
    state.SkipWithError(status.ToString().c_str());
  }
  writer.close();
}

// Some 60,000 messages in each cell, but no more than 2,000 catch-ups.
void add(const char* name, void (*function)(benchmark::State&)) {
  constexpr std::int64_t kMessages = 1 << 16;
  constexpr std::int64_t kCatchUpsMax = 2000;
  for (const std::int64_t messages : {0, 1, 16, 256, 4096}) {
    const std::int64_t catch_ups = kMessages / std::max<std::int64_t>(messages, 1);
    benchmark::RegisterBenchmark(name, function)
        ->Arg(messages)
        ->ArgName("messages")
        ->Iterations(std::min(catch_ups, kCatchUpsMax))
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  // First of all: RocksDB's threads would not survive a fork.
  if (!writer.start()) return 1;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  add("rows", rows);
  add("reader_view", reader_view);
  add("shared_wal", shared_wal);
  add("shared_memtable", shared_memtable);
  benchmark::RunSpecifiedBenchmarks();
  writer.stop();
}

#include "store/body_stage.hpp"

#include <algorithm>
#include <chrono>
#include <pthread.h>
#include <utility>

#include "runtime/assert.hpp"
#include "runtime/time.hpp"
#include "store/redo_log.hpp"
#include "store/schema.hpp"
#include "store/schema_private.hpp"

namespace postern::store {

namespace {

// Bounds of a group. An fsync takes some milliseconds; 8 MiB take about as long to write, so a
// larger group would only make everyone in it wait longer. The count bounds the work between two
// fsyncs.
constexpr std::size_t kGroupOctetsMax = std::size_t{8} << 20;
constexpr std::size_t kGroupRequestsMax = 4096;

// Deletions that ride along with one group: 4096 keys are below 100 KiB of batch.
constexpr std::size_t kGroupDeletionsMax = 4096;

// How long an idle stage sleeps before it looks at the disk's free space again.
constexpr std::int64_t kIdleNanos = 1'000'000'000;

constexpr std::size_t kBatchReserveOctets = std::size_t{1} << 20;

}  // namespace

BodyStage::BodyStage(Database& database, EngineHealthState& health, DiskSpace& disk,
                     BodyGroupSink& sink, Options options)
    : database_(database),
      health_(health),
      disk_(disk),
      sink_(sink),
      ceiling_(raw(options.ceiling)),
      applied_(options.next_group),
      gate_(database.bodies(), health),
      next_body_(raw(options.next_body)),
      next_group_(options.next_group),
      redo_removed_below_(0),
      redo_removed_in_batch_(0),
      batch_(kBatchReserveOctets),
      doomed_(std::move(options.doomed)) {
  for (std::uint32_t core = 0; core < options.cores; ++core) {
    inlets_.push_back(std::make_unique<Inlet>(options.queue_requests));
  }
}

BodyStage::~BodyStage() { stop(); }

void BodyStage::start() {
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "store-bodies");
}

void BodyStage::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  bell_.ring();
  thread_.join();
}

bool BodyStage::submit(SpoolRequest* request) {
  POSTERN_ASSERT(request->core < inlets_.size());
  if (stopping_.load(std::memory_order_relaxed)) return false;
  Inlet& inlet = *inlets_[request->core];
  request->outcome = SpoolOutcome::pending;
  if (!inlet.queue.try_push(std::move(request))) return false;
  inlet.submitted.store(inlet.submitted.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
  bell_.ring();
  return true;
}

void BodyStage::doom(std::vector<DoomedBody> bodies) {
  {
    const std::lock_guard lock(doom_mutex_);
    doom_inbox_.insert(doom_inbox_.end(), bodies.begin(), bodies.end());
    doom_waiting_.store(true, std::memory_order_release);
  }
  bell_.ring();
}

void BodyStage::set_ceiling(BodyId ceiling) noexcept {
  ceiling_.store(raw(ceiling), std::memory_order_release);
}

void BodyStage::set_applied(std::uint64_t group) noexcept {
  applied_.store(group, std::memory_order_release);
}

std::uint64_t BodyStage::submitted() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& inlet : inlets_) sum += inlet->submitted.load(std::memory_order_relaxed);
  return sum;
}

bool BodyStage::has_work() const noexcept {
  if (doom_waiting_.load(std::memory_order_acquire)) return true;
  return std::ranges::any_of(inlets_, [](const auto& inlet) { return !inlet->queue.empty(); });
}

void BodyStage::run() {
  bool retry_later = false;
  while (true) {
    const MonoTime now = read_clocks().mono;
    disk_.refresh(now);
    gate_.try_resume(now);
    BodyGroup group;
    const bool stopping = stopping_.load(std::memory_order_acquire);
    const bool collected = collect(group);
    const bool deletions = !given_up_.empty() || !doomed_.empty();
    if (collected || (deletions && !retry_later)) {
      write_group(group);
      // Deletions that were refused wait for the next group or the next look, whichever comes
      // first.
      retry_later = given_up_in_batch_ + doomed_in_batch_ > 0;
      if (!group.requests.empty() || !group.deleted.empty()) sink_.take(std::move(group));
      continue;
    }
    if (stopping) break;
    bell_.sleep([this] { return has_work() || stopping_.load(std::memory_order_acquire); },
                kIdleNanos);
    retry_later = false;
  }
  sink_.end_of_groups();
}

bool BodyStage::collect(BodyGroup& group) {
  if (doom_waiting_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(doom_mutex_);
    doomed_.insert(doomed_.end(), doom_inbox_.begin(), doom_inbox_.end());
    doom_inbox_.clear();
    doom_waiting_.store(false, std::memory_order_relaxed);
  }
  std::size_t octets = 0;
  // One request of each core in turn, so that a group cut short by its bounds is cut fairly.
  for (bool found = true; found;) {
    found = false;
    for (std::size_t i = 0; i < inlets_.size(); ++i) {
      SpoolRequest* request = nullptr;
      if (!inlets_[(first_inlet_ + i) % inlets_.size()]->queue.try_pop(request)) continue;
      found = true;
      octets += request->segment.octets;
      group.requests.push_back(request);
      if (octets >= kGroupOctetsMax || group.requests.size() >= kGroupRequestsMax) {
        first_inlet_ = (first_inlet_ + i + 1) % inlets_.size();
        return true;
      }
    }
  }
  return !group.requests.empty();
}

void BodyStage::write_group(BodyGroup& group) {
  batch_.Clear();
  batch_sync_ = false;
  given_up_in_batch_ = 0;
  doomed_in_batch_ = 0;
  for (SpoolRequest* request : group.requests) stage(*request);
  stage_redo(group);
  stage_deletions();
  stage_redo_removal();
  rocksdb::Status status;  // ok: an empty segment writes nothing and is taken all the same
  if (batch_.Count() > 0) {
    const MonoTime before = read_clocks().mono;
    status = gate_.write(batch_, batch_sync_);
    counters_.record_sync(read_clocks().mono - before);
    counters_.octets.add(batch_.GetDataSize());
  }
  if (status.ok()) {
    settle(group);
  } else {
    refuse_group(group, status);
  }
  counters_.groups.add(1);
  counters_.requests.add(group.requests.size());
  group.next_body = BodyId{next_body_};
  group.settled_below =
      BodyId{open_.empty() ? next_body_ : std::min(open_.begin()->first, next_body_)};
  open_count_.store(open_.size(), std::memory_order_relaxed);
}

void BodyStage::stage(SpoolRequest& request) {
  if (request.abandon) return stage_abandon(request);
  if (health_.failed()) return refuse(request, SpoolOutcome::failed, health_.why());
  if (health_.disk_low()) return refuse(request, SpoolOutcome::no_space, "disk space is low");
  if (health_.rows_stopped()) return refuse(request, SpoolOutcome::no_space, "mail/ has no space");
  if (raw(request.body) == 0) {
    // Ids are reserved in large blocks ahead of time; the row stage would have to be stuck for a
    // million messages.
    if (next_body_ >= ceiling_.load(std::memory_order_acquire)) {
      return refuse(request, SpoolOutcome::store_busy, "no reserved body ids left");
    }
    request.body = BodyId{next_body_++};
  }
  stage_chunks(request);
}

void BodyStage::stage_abandon(SpoolRequest& request) {
  request.outcome = SpoolOutcome::durable;
  if (!open_.contains(raw(request.body))) return;  // nothing was ever written
  if (std::ranges::find(given_up_, raw(request.body)) == given_up_.end()) {
    given_up_.push_back(raw(request.body));
  }
}

void BodyStage::stage_chunks(const SpoolRequest& request) {
  const BodySegment& segment = request.segment;
  std::uint32_t chunk = segment.first_chunk;
  // Pieces do not cross chunk borders but a chunk may consist of several: gather, write when full.
  std::size_t gathered = 0;
  const auto put = [&] {
    const schema::BodyKey key = schema::body_key(request.body, chunk++);
    const rocksdb::Slice key_slice = to_slice(key);
    const rocksdb::Status status =
        batch_.Put(nullptr, rocksdb::SliceParts(&key_slice, 1),
                   rocksdb::SliceParts(parts_.data(), static_cast<int>(parts_.size())));
    POSTERN_ASSERT(status.ok());
    parts_.clear();
    gathered = 0;
  };
  for (const std::string& piece : segment.pieces) {
    POSTERN_ASSERT(gathered + piece.size() <= kBodyChunkOctets);
    parts_.emplace_back(piece);
    gathered += piece.size();
    if (gathered == kBodyChunkOctets) put();
  }
  // The end of the message; an empty message has one empty chunk, so that it exists.
  if (gathered > 0 || (request.last && chunk == 0)) put();
  if (request.last) {
    POSTERN_ASSERT(std::uint64_t{segment.first_chunk} * kBodyChunkOctets + segment.octets ==
                   request.size_octets);
    batch_sync_ = true;
  } else {
    POSTERN_ASSERT(segment.octets % kBodyChunkOctets == 0);
  }
  if (!request.last || segment.first_chunk > 0) open_[raw(request.body)] = chunk;
}

void BodyStage::stage_redo(BodyGroup& group) {
  redo_.clear();
  for (std::size_t i = 0; i < group.requests.size(); ++i) {
    const SpoolRequest& request = *group.requests[i];
    if (request.outcome != SpoolOutcome::pending || !request.last) continue;
    schema::append_redo_entry(redo_, static_cast<std::uint32_t>(i), request);
  }
  if (redo_.empty()) return;
  // A number is used up even if the write fails: what is in the log of a failed write may turn up.
  group.number = next_group_++;
  const rocksdb::Status status =
      batch_.Put(database_.redo(), to_slice(schema::redo_key(group.number)), redo_);
  POSTERN_ASSERT(status.ok());
}

void BodyStage::stage_redo_removal() {
  redo_removed_in_batch_ = applied_.load(std::memory_order_acquire);
  if (redo_removed_in_batch_ == redo_removed_below_ || batch_.Count() == 0) return;
  const rocksdb::Status status =
      batch_.DeleteRange(database_.redo(), to_slice(schema::redo_key(redo_removed_below_)),
                         to_slice(schema::redo_key(redo_removed_in_batch_)));
  POSTERN_ASSERT(status.ok());
}

void BodyStage::stage_deletions() {
  const std::uint32_t count_before = batch_.Count();
  const auto room = [&] { return batch_.Count() - count_before < kGroupDeletionsMax; };
  while (given_up_in_batch_ < given_up_.size() && room()) {
    const std::uint64_t body = given_up_[given_up_in_batch_++];
    delete_chunks(body, open_[body]);
  }
  while (doomed_in_batch_ < doomed_.size() && room()) {
    const DoomedBody& doomed = doomed_[doomed_in_batch_++];
    delete_chunks(raw(doomed.body), doomed.chunks);
  }
  // What follows from a deletion (low water, the end of its meta row) must not outlive it.
  if (given_up_in_batch_ + doomed_in_batch_ > 0) batch_sync_ = true;
}

void BodyStage::delete_chunks(std::uint64_t body, std::uint32_t chunks) {
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
    const schema::BodyKey key = schema::body_key(BodyId{body}, chunk);
    const rocksdb::Status status = batch_.Delete(to_slice(key));
    POSTERN_ASSERT(status.ok());
  }
}

void BodyStage::refuse(SpoolRequest& request, SpoolOutcome outcome, const std::string& why) {
  request.outcome = outcome;
  request.error = why;
  if (!request.last) return;  // the submitter will abandon it
  if (open_.contains(raw(request.body))) given_up_.push_back(raw(request.body));
}

void BodyStage::settle(BodyGroup& group) {
  if (batch_.Count() > 0) redo_removed_below_ = redo_removed_in_batch_;
  for (SpoolRequest* request : group.requests) {
    if (request->outcome != SpoolOutcome::pending) continue;
    if (request->last) {
      open_.erase(raw(request->body));  // it stays pending: its rows come next
    } else {
      request->outcome = SpoolOutcome::durable;
    }
  }
  for (std::size_t i = 0; i < given_up_in_batch_; ++i) open_.erase(given_up_[i]);
  given_up_.erase(given_up_.begin(),
                  given_up_.begin() + static_cast<std::ptrdiff_t>(given_up_in_batch_));
  for (std::size_t i = 0; i < doomed_in_batch_; ++i) group.deleted.push_back(doomed_[i].body);
  doomed_.erase(doomed_.begin(), doomed_.begin() + static_cast<std::ptrdiff_t>(doomed_in_batch_));
  given_up_in_batch_ = 0;
  doomed_in_batch_ = 0;
}

void BodyStage::refuse_group(BodyGroup& group, const rocksdb::Status& status) {
  (status.IsIncomplete() ? counters_.stalls : counters_.errors).add(1);
  const SpoolOutcome outcome = to_outcome(status);
  const std::string why = status.ToString();
  for (SpoolRequest* request : group.requests) {
    if (request->outcome != SpoolOutcome::pending) continue;
    // "Busy" is said before anything is written. After other errors the octets may still turn up
    // when the log is replayed: such a body is deleted like one that was given up.
    if (!status.IsIncomplete()) {
      const BodySegment& segment = request->segment;
      open_.try_emplace(raw(request->body),
                        segment.first_chunk + schema::chunk_count(segment.octets));
    }
    refuse(*request, outcome, why);
  }
}

}  // namespace postern::store

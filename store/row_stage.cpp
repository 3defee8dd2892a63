#include "store/row_stage.hpp"

#include <algorithm>
#include <pthread.h>
#include <utility>

#include "runtime/assert.hpp"
#include "store/directory_apply.hpp"
#include "store/mutation_apply.hpp"

namespace postern::store {

namespace {

// Bounds of a group, as in the body stage: more would only make everyone in it wait longer. Rows
// are some 200 octets a delivery; control requests stop joining at the octets, bodies at the
// requests.
constexpr std::size_t kGroupRequestsMax = 8192;
constexpr std::size_t kGroupOctetsMax = std::size_t{4} << 20;
constexpr std::size_t kGroupControlsMax = 1024;

// Bodies between two writes of the low-water mark: what start-up has to look at after a crash.
constexpr std::uint64_t kLowWaterStep = 4096;

}  // namespace

RowStage::RowStage(Database& database, EngineHealthState& health, RowInbox& inbox,
                   DirectoryHolder& directory, const ViewHorizon& horizon, CompletionSink& sink,
                   MailboxQuotas& quotas, const EngineOptions& options, const Recovered& start)
    : database_(database),
      health_(health),
      inbox_(inbox),
      directory_(directory),
      horizon_(horizon),
      sink_(sink),
      on_change_(options.on_change),
      sync_after_(options.rows_sync_after),
      gate_(database.mail(), health),
      batch_(database, &quotas),
      delivery_(database),
      removal_(database),
      expunged_(database),
      remembered_(options.remembered_mutations, options.remembered_for),
      ids_(start.counters),
      per_core_(options.cores),
      progress_(start.next_group),
      clock_tick_(start.clock_tick),
      next_body_(raw(start.next_body)),
      settled_below_(raw(start.next_body)),
      ceiling_(raw(start.ceiling)),
      staged_ceiling_(ceiling_),
      low_water_(raw(start.low_water)),
      staged_low_water_(low_water_) {
  for (const MailboxId mailbox : start.doomed_mailboxes) removal_.add(mailbox);
  const StorePosition position = database.mail().GetLatestSequenceNumber();
  position_.store(position, std::memory_order_release);
  expunged_.clock_written(clock_tick_, position);
}

RowStage::~RowStage() { join(); }

void RowStage::start(BodyStage& bodies) {
  bodies_ = &bodies;
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "store-rows");
}

void RowStage::join() {
  if (thread_.joinable()) thread_.join();
}

void RowStage::run() {
  while (true) {
    health_.set_rows_stopped(!gate_.try_resume(read_clocks().mono));
    if (turn()) continue;
    if (inbox_.close_if_done()) break;
    sync_idle();
    inbox_.sleep();
  }
  // A clean end leaves nothing for the next start to look at.
  closing_ = true;
  begin_group();
  stage_marks();
  commit_group();
}

bool RowStage::turn() {
  begin_group();
  if (inbox_.take_flushed()) clock_due_ = true;
  // Changes first: they then never have to see the arrivals of their own group.
  stage_controls();
  // While the disk is full nothing is achieved by it, and the thread has to be able to end.
  const bool upkeep = !health_.failed() && !gate_.stopped() && stage_upkeep();
  stage_groups();
  if (answers_.empty() && requests_.empty() && deleted_.empty() && !clock_due_ && !upkeep) {
    return false;
  }
  stage_marks();
  commit_group();
  return true;
}

void RowStage::begin_group() {
  batch_.begin(clock_tick_);
  staged_ids_ = ids_;
  staged_ceiling_ = ceiling_;
  staged_low_water_ = low_water_;
  editor_.reset();
  removed_mailboxes_.clear();
  user_added_ = false;
  replies_.clear();
  answers_.clear();
  requests_.clear();
  deleted_.clear();
  undeliverable_.clear();
}

void RowStage::stage_controls() {
  inbox_.take_controls(controls_);
  while (!controls_.empty() && answers_.size() < kGroupControlsMax &&
         batch_.size_octets() < kGroupOctetsMax) {
    ControlRequest& next = controls_.front();
    if (auto* change = std::get_if<DirectoryRequest>(&next)) {
      // Deleting an account reads its folders from disk: its creation must not be in this group.
      if (std::holds_alternative<DeleteUser>(change->change) && user_added_) break;
      stage_one(*change);
    } else {
      stage_one(std::get<MutationRequest>(next));
    }
    controls_.pop_front();
  }
}

void RowStage::stage_one(MutationRequest& request) {
  const RememberedReplies::Key key{request.mutation.key_high, request.mutation.key_low};
  Result<MutationReply> reply = fail(ErrorCode::io, "the store has failed");
  bool fresh = false;
  const auto staged = std::ranges::find(replies_, key, &StagedReply::key);
  if (const MutationReply* first = remembered_.find(key, read_clocks().mono)) {
    reply = *first;
  } else if (staged != replies_.end()) {
    reply = staged->reply;
  } else if (!health_.failed()) {
    reply = stage_mutation(batch_, request.mutation.body);
    if (reply) {
      replies_.push_back(StagedReply{key, *reply});
      fresh = true;
    }
  }
  answers_.push_back([this, done = std::move(request.done), reply = std::move(reply), fresh](
                         StorePosition position, const Error* error) mutable {
    if (!reply) return done(std::move(reply));
    // An answer given before keeps its position: it was durable then, whatever became of this
    // group.
    if (reply->position == 0) {
      if (error != nullptr) return done(std::unexpected(*error));
      reply->position = position;
    }
    if (fresh) mutations_.add(1);
    done(std::move(reply));
  });
}

void RowStage::stage_one(DirectoryRequest& request) {
  Result<DirectoryReply> reply = fail(ErrorCode::io, "the store has failed");
  if (!health_.failed()) {
    if (!editor_) editor_.emplace(directory_.get());
    DirectoryStaging staging{.database = database_,
                             .batch = batch_,
                             .editor = *editor_,
                             .counters = staged_ids_,
                             .removed_mailboxes = removed_mailboxes_,
                             .now_unix_ms = read_clocks().unix_ms};
    reply = stage_directory_change(staging, request.change);
    if (reply && std::holds_alternative<AddUser>(request.change)) user_added_ = true;
  }
  answers_.push_back([done = std::move(request.done), reply = std::move(reply)](
                         StorePosition position, const Error* error) mutable {
    if (reply && error != nullptr) return done(std::unexpected(*error));
    if (reply) reply->position = position;
    done(std::move(reply));
  });
}

bool RowStage::stage_upkeep() {
  // Errors here are read errors: tried again later, and whoever asked for something is not
  // bothered.
  bool staged = false;
  if (!removal_.idle()) staged = removal_.stage(batch_).has_value();
  return expunged_.stage(batch_, horizon_.oldest_view()).value_or(false) || staged;
}

void RowStage::stage_groups() {
  while (requests_.size() < kGroupRequestsMax && batch_.size_octets() < kGroupOctetsMax) {
    if (!has_body_group_) {
      if (!inbox_.pop_group(body_group_)) return;
      has_body_group_ = true;
      body_group_next_ = 0;
    }
    if (body_group_next_ == body_group_.requests.size()) {
      finish_body_group();
    } else {
      stage_request(*body_group_.requests[body_group_next_++]);
      if (body_group_.number > 0) {
        progress_.move_to(
            {.group = body_group_.number, .index = static_cast<std::uint32_t>(body_group_next_)});
      }
    }
  }
}

void RowStage::stage_request(SpoolRequest& request) {
  requests_.push_back(&request);
  if (request.outcome != SpoolOutcome::pending) return;
  POSTERN_ASSERT(request.last && !request.abandon);
  if (health_.failed()) {
    request.outcome = SpoolOutcome::failed;
    request.error = health_.why();
    return;
  }
  if (delivery_.stage(batch_, request)) return;
  undeliverable_.push_back(
      DoomedBody{.body = request.body, .chunks = schema::chunk_count(request.size_octets)});
  orphans_.insert(raw(request.body));
}

void RowStage::finish_body_group() {
  for (const BodyId body : body_group_.deleted) {
    deleted_.push_back(body);
    batch_.remove(database_.meta(), schema::doomed_body_key(body));
  }
  if (body_group_.number > 0) progress_.finish(body_group_.number);
  next_body_ = raw(body_group_.next_body);
  settled_below_ = raw(body_group_.settled_below);
  has_body_group_ = false;
}

void RowStage::stage_marks() {
  if (clock_due_) batch_.put(database_.rows(), schema::clock_key(clock_tick_ + 1), {});
  const auto applied = schema::encode_group_position(progress_.position());
  if (progress_.moved()) batch_.put(database_.meta(), schema::kAppliedKey, applied);
  if (next_body_ + kBodyIdBlock / 2 > ceiling_) {
    staged_ceiling_ = next_body_ + kBodyIdBlock;
    batch_.put(database_.meta(), schema::kBodyCeilingKey, schema::encode_u64(staged_ceiling_));
  }
  std::uint64_t settled = settled_below_;
  if (!orphans_.empty()) settled = std::min(settled, *orphans_.begin());
  if (settled >= low_water_ + kLowWaterStep || (closing_ && settled > low_water_)) {
    staged_low_water_ = settled;
    batch_.put(database_.meta(), schema::kLowWaterKey, schema::encode_u64(settled));
  }
}

bool RowStage::must_sync() const noexcept {
  // Answers promise that the change is durable; the octets of a doomed body and the ids above an
  // old ceiling are used up at once.
  return closing_ || !answers_.empty() || batch_.dooms() || !undeliverable_.empty() ||
         staged_ceiling_ != ceiling_ || progress_.must_sync();
}

void RowStage::sync_idle() {
  if (health_.failed() || gate_.stopped()) return;
  if (!progress_.sync_due(read_clocks().mono, sync_after_)) return;
  if (progress_.has_refusal()) {
    begin_group();
    stage_marks();
    commit_group();
  } else if (gate_.sync().ok()) {  // a failure shows in the health, and with the next group
    rows_synced();
  }
}

void RowStage::rows_synced() {
  if (progress_.synced()) bodies_->set_applied(progress_.position().group);
}

void RowStage::commit_group() {
  const MonoTime before = read_clocks().mono;
  const std::size_t octets = batch_.size_octets();
  const bool sync = must_sync();
  rocksdb::Status status = batch_.commit(gate_, sync);
  // A change that changed nothing may have relied on rows that are not synced yet.
  if (status.ok() && sync && batch_.empty() && progress_.has_unsynced()) status = gate_.sync();
  health_.set_rows_stopped(gate_.stopped());
  if (!status.ok()) {
    progress_.failed(before);
  } else if (sync) {
    rows_synced();
  } else {
    progress_.written(before);
  }
  counters_.record_sync(read_clocks().mono - before);
  counters_.octets.add(octets);
  counters_.groups.add(1);
  counters_.requests.add(requests_.size() + answers_.size());
  if (status.ok()) {
    after_success();
  } else {
    after_failure(status);
  }
}

void RowStage::after_success() {
  const StorePosition position = database_.mail().GetLatestSequenceNumber();
  position_.store(position, std::memory_order_release);
  if (clock_due_) {
    expunged_.clock_written(++clock_tick_, position);
    clock_rows_.add(1);
    clock_due_ = false;
  }
  ids_ = staged_ids_;
  low_water_ = staged_low_water_;
  if (staged_ceiling_ != ceiling_) {
    ceiling_ = staged_ceiling_;
    bodies_->set_ceiling(BodyId{ceiling_});
  }
  complete_requests();

  if (editor_ && editor_->changed()) directory_.publish(editor_->build());
  const MonoTime now = read_clocks().mono;
  for (StagedReply& staged : replies_) {
    staged.reply.position = position;
    remembered_.insert(staged.key, staged.reply, now);
  }
  removal_.committed();
  expunged_.committed(true);
  for (const MailboxId mailbox : removed_mailboxes_) removal_.add(mailbox);
  for (const BodyId body : deleted_) orphans_.erase(raw(body));
  bodies_deleted_.add(deleted_.size());
  std::vector<DoomedBody>& doomed = batch_.doomed();
  doomed.insert(doomed.end(), undeliverable_.begin(), undeliverable_.end());
  if (!doomed.empty()) bodies_->doom(std::move(doomed));
  if (on_change_ && !batch_.changes().empty()) on_change_(batch_.changes(), position);
  answer(position, nullptr);
}

void RowStage::after_failure(const rocksdb::Status& status) {
  (status.IsIncomplete() ? counters_.stalls : counters_.errors).add(1);
  expunged_.committed(false);
  const SpoolOutcome outcome = to_outcome(status);
  const std::string why = status.ToString();
  for (SpoolRequest* request : requests_) {
    if (request->outcome != SpoolOutcome::pending) continue;
    request->outcome = outcome;
    request->error = why;
    orphans_.insert(raw(request->body));
    undeliverable_.push_back(
        DoomedBody{.body = request->body, .chunks = schema::chunk_count(request->size_octets)});
  }
  // "Busy" is said before anything is written: the bodies can go. After other errors the rows may
  // still turn up when the log is replayed, and then they need their bodies: the low-water mark
  // stays below them, and the next start decides.
  if (status.IsIncomplete() && !undeliverable_.empty()) bodies_->doom(std::move(undeliverable_));
  undeliverable_.clear();
  // Their rows in the removal list are still there; the next start deletes nothing and removes the
  // rows.
  for (const BodyId body : deleted_) orphans_.erase(raw(body));
  complete_requests();
  const Error error = to_error(status, "the change could not be written");
  answer(0, &error);
}

void RowStage::complete_requests() {
  for (SpoolRequest* request : requests_) {
    // Whatever is still pending here has its rows durable.
    if (request->outcome == SpoolOutcome::pending) {
      request->outcome = SpoolOutcome::durable;
      messages_durable_.add(1);
      octets_durable_.add(request->size_octets);
    }
    per_core_[request->core].push_back(request);
  }
  for (std::size_t core = 0; core < per_core_.size(); ++core) {
    std::vector<SpoolRequest*>& done = per_core_[core];
    if (done.empty()) continue;
    completed_.add(done.size());
    sink_.complete(static_cast<std::uint32_t>(core), done.data(), done.size());
    done.clear();
  }
  requests_.clear();
}

void RowStage::answer(StorePosition position, const Error* error) {
  for (Answer& one : answers_) one(position, error);
  answers_.clear();
}

void RowStage::add_to(EngineStats& stats) const noexcept {
  stats.rows = counters_.copy();
  stats.messages_durable = messages_durable_.get();
  stats.octets_durable = octets_durable_.get();
  stats.mutations_applied = mutations_.get();
  stats.bodies_deleted = bodies_deleted_.get();
  stats.clock_rows = clock_rows_.get();
  // Read after the submissions were: may be ahead of them for a moment.
  const std::uint64_t completed = completed_.get();
  stats.requests_waiting -= std::min(stats.requests_waiting, completed);
}

}  // namespace postern::store

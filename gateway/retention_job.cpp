#include "gateway/retention_job.hpp"

#include <algorithm>
#include <chrono>
#include <openssl/rand.h>
#include <utility>

#include "gateway/mailbox_policy.hpp"
#include "gateway/metric_ids.hpp"
#include "runtime/log.hpp"

namespace postern::gateway {

namespace {

// The longest wait for the first pass: a start has better things to do in its first minute.
constexpr Duration kFirstPassMax = std::chrono::minutes(1);
// Between two steps: the worker and the row thread are everybody's.
constexpr Duration kStepPause = std::chrono::milliseconds(5);

}  // namespace

RetentionJob::RetentionJob(GatewayShared& shared, EventLoop& loop, metrics::Cells& cells)
    : shared_(shared), loop_(loop), cells_(cells), timer_(this, [](void* owner, Now) {
        auto* self = static_cast<RetentionJob*>(owner);
        self->sweep_ ? self->next_step() : self->begin_pass();
      }) {
  RAND_bytes(reinterpret_cast<std::uint8_t*>(&key_high_), sizeof key_high_);
}

void RetentionJob::start() {
  const Duration interval = shared_.settings.mailbox.keep_check_interval;
  loop_.timers().arm(timer_, loop_.now().mono + std::min(interval, kFirstPassMax));
}

void RetentionJob::stop() {
  stopping_ = true;
  loop_.timers().disarm(timer_);
}

void RetentionJob::begin_pass() {
  removed_count_ = 0;
  step_outstanding_ = true;
  // Made on the worker: the list of accounts is long on large servers.
  const bool taken = shared_.workers->submit([this, now = loop_.now().unix_ms] {
    auto sweep = std::make_shared<store::RetentionSweep>(
        *shared_.engine, shared_.engine->directory(), default_policy(shared_.settings), now);
    loop_.post([this, sweep = std::move(sweep)]() mutable {
      sweep_ = std::move(sweep);
      on_step(std::nullopt);
    });
  });
  if (taken) return;
  step_outstanding_ = false;
  end_pass();  // the workers are busy with logins: another time
}

void RetentionJob::next_step() {
  step_outstanding_ = true;
  const bool taken = shared_.workers->submit([this, sweep = sweep_] {
    auto found = sweep->step();
    loop_.post([this, found = std::move(found)]() mutable { on_step(std::move(found)); });
  });
  if (taken) return;
  step_outstanding_ = false;
  end_pass();
}

void RetentionJob::on_step(Result<std::optional<store::Expunge>> found) {
  if (!found) {
    log::event(log::Level::warn, "retention.failed", {{"cause", found.error().message}});
  } else if (*found) {
    store::Mutation mutation{
        .key_high = key_high_, .key_low = ++key_low_, .body = std::move(**found)};
    shared_.engine->apply(std::move(mutation), [this](Result<store::MutationReply> reply) {
      loop_.post([this, reply = std::move(reply)] { on_removed(reply); });
    });
    return;
  }
  on_removed(store::MutationReply{});
}

void RetentionJob::on_removed(const Result<store::MutationReply>& reply) {
  step_outstanding_ = false;
  if (reply) {
    removed_count_ += reply->changed_count;
    cells_.add(kMessagesExpired, reply->changed_count);
  } else if (reply.error().code != ErrorCode::not_found) {  // that is a mailbox that went meanwhile
    log::event(log::Level::warn, "retention.failed", {{"cause", reply.error().message}});
  }
  if (stopping_) return;
  if (sweep_->done()) return end_pass();
  loop_.timers().arm(timer_, loop_.now().mono + kStepPause);
}

void RetentionJob::end_pass() {
  sweep_.reset();
  if (removed_count_ > 0)
    log::event(log::Level::info, "retention.done", {{"messages", removed_count_}});
  if (stopping_) return;
  loop_.timers().arm(timer_, loop_.now().mono + shared_.settings.mailbox.keep_check_interval);
}

}  // namespace postern::gateway

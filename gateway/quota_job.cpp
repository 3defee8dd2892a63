#include "gateway/quota_job.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "gateway/metric_ids.hpp"
#include "gateway/quota_notice.hpp"
#include "runtime/log.hpp"

namespace postern::gateway {

namespace {

using store::QuotaLevel;

// Soon enough for people; a look at 100,000 mailboxes takes a worker less than a millisecond.
constexpr Duration kCheckInterval = std::chrono::seconds(2);
// After something went wrong: the log gets a line each time.
constexpr Duration kRetryInterval = std::chrono::minutes(1);
// Messages and notes in the store's hands at a time: they share groups with everybody's mail, and
// making that many costs a core some 0.1 ms.
constexpr std::size_t kOutstandingMax = 16;
// Of one pass. The next look finds the rest.
constexpr std::size_t kItemsMax = 1000;

store::QuotaRules rules_of(const config::MailboxSettings& settings) {
  return {.warning_percent = settings.quota_warning_percent,
          .interval = settings.quota_warning_interval};
}

std::string_view name_of(QuotaLevel level) { return level == QuotaLevel::full ? "full" : "near"; }

}  // namespace

QuotaJob::QuotaJob(GatewayShared& shared, EventLoop& loop, metrics::Cells& cells,
                   smtp::MessageIdSource& ids)
    : shared_(shared), loop_(loop), cells_(cells), ids_(ids), timer_(this, [](void* owner, Now) {
        static_cast<QuotaJob*>(owner)->begin_pass();
      }) {}

void QuotaJob::start() { loop_.timers().arm(timer_, loop_.now().mono + kCheckInterval); }

void QuotaJob::stop() {
  stopping_ = true;
  items_.clear();
  loop_.timers().disarm(timer_);
}

void QuotaJob::begin_pass() {
  store_refuses_ = failed_ = false;
  if (!watch_) return load_notes();
  // Most servers have no quotas: then nothing is looked at.
  if (shared_.engine->quotas().limited_count() == 0 && watch_->notes_count() == 0) {
    return on_found({});
  }
  worker_outstanding_ = shared_.workers->submit([this, now = loop_.now().unix_ms] {
    loop_.post([this, found = find(now)]() mutable {
      worker_outstanding_ = false;
      on_found(std::move(found));
    });
  });
  if (!worker_outstanding_) end_pass();  // the workers are busy with logins: another time
}

void QuotaJob::load_notes() {
  worker_outstanding_ = shared_.workers->submit([this] {
    loop_.post([this, notes = shared_.engine->list_quota_notes()] {
      worker_outstanding_ = false;
      if (notes) {
        watch_ = std::make_unique<store::QuotaWatch>(rules_of(shared_.settings.mailbox), *notes);
      } else {
        failed_ = true;
        log::event(log::Level::warn, "quota.failed", {{"cause", notes.error().message}});
      }
      end_pass();
    });
  });
  if (!worker_outstanding_) end_pass();
}

QuotaJob::Found QuotaJob::find(std::int64_t now_unix_ms) const {
  store::QuotaWatch::Look look = watch_->look(shared_.engine->quotas(), now_unix_ms);
  Found found{.items = {}, .near_count = look.near_count, .full_count = look.full_count};
  if (look.news.size() > kItemsMax) look.news.resize(kItemsMax);
  std::unordered_map<store::MailboxId, const store::QuotaNews*> to_tell;
  for (const store::QuotaNews& news : look.news) {
    if (news.tell) {
      to_tell.emplace(news.mailbox, &news);
    } else {
      found.items.push_back({.news = news, .account = {}});
    }
  }
  if (to_tell.empty()) return found;
  shared_.engine->directory()->each_account([&](const store::Account& account) {
    const auto news = to_tell.find(account.inbox);
    if (news == to_tell.end()) return;
    found.items.push_back({.news = *news->second, .account = account.name});
  });
  return found;
}

void QuotaJob::on_found(Found found) {
  cells_.set(kQuotaNear, found.near_count);
  cells_.set(kQuotaFull, found.full_count);
  items_ = std::move(found.items);
  go_on();
}

void QuotaJob::go_on() {
  while (!stopping_ && !store_refuses_ && !items_.empty() && outstanding_ < kOutstandingMax) {
    Item item = std::move(items_.back());
    items_.pop_back();
    if (item.news.tell) {
      send(std::move(item));
    } else {
      keep(item);
    }
  }
  if (outstanding_ == 0) end_pass();
}

void QuotaJob::send(Item item) {
  const Now& now = loop_.now();
  auto request = std::make_unique<store::SpoolRequest>();
  ids_.next(now, request->id);
  store::MessageBody body;
  body.append(write_quota_notice({.account = item.account,
                                  .hostname = shared_.settings.hostname,
                                  .id = request->id,
                                  .level = item.news.level,
                                  .use = item.news.use,
                                  .unix_ms = now.unix_ms}));
  request->size_octets = body.size();
  request->segment = body.take_rest();
  request->arrival_unix_ms = now.unix_ms;
  const bool ascii = std::ranges::all_of(
      item.account, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  request->envelope.smtputf8 = request->envelope.body_8bit = !ascii;
  request->envelope.recipients.push_back(
      {.address = item.account, .mailboxes = {item.news.mailbox}, .options = {}});
  request->quota_note = item.news.note;
  request->core = 0;
  request->owner = static_cast<SpoolOwner*>(this);
  store::SpoolRequest* const submitted = request.get();
  if (!shared_.engine->submit(submitted)) {
    store_refuses_ = failed_ = true;
    return;
  }
  ++outstanding_;
  sent_.emplace(submitted, Sent{.item = std::move(item), .request = std::move(request)});
}

void QuotaJob::on_spool_completion(store::SpoolRequest* request) {
  const auto node = sent_.extract(request);
  const Item& item = node.mapped().item;
  --outstanding_;
  if (request->outcome == store::SpoolOutcome::durable) {
    watch_->kept(item.news.mailbox, item.news.note);
    cells_.add(kQuotaWarnings);
    log::event(log::Level::info, "quota.warned",
               {{"account", item.account},
                {"id", request->id},
                {"level", name_of(item.news.level)},
                {"octets", item.news.use.used_octets},
                {"quota", item.news.use.limit_octets}});
  } else {
    failed_ = true;
    store_refuses_ = store_refuses_ || request->outcome != store::SpoolOutcome::failed;
    log::event(log::Level::warn, "quota.failed",
               {{"account", item.account}, {"cause", request->error}});
  }
  go_on();
}

void QuotaJob::keep(const Item& item) {
  ++outstanding_;
  shared_.engine->apply(store::KeepQuotaNote{.mailbox = item.news.mailbox, .note = item.news.note},
                        [this, item](const Result<store::DirectoryReply>& reply) {
                          loop_.post([this, item, reply] { on_kept(item, reply); });
                        });
}

void QuotaJob::on_kept(const Item& item, const Result<store::DirectoryReply>& reply) {
  --outstanding_;
  if (reply) {
    watch_->kept(item.news.mailbox, item.news.note);
  } else if (reply.error().code ==
             ErrorCode::not_found) {  // the mailbox went, and its note with it
    watch_->kept(item.news.mailbox, {});
  } else {
    failed_ = store_refuses_ = true;
    log::event(log::Level::warn, "quota.failed", {{"cause", reply.error().message}});
  }
  go_on();
}

void QuotaJob::end_pass() {
  items_.clear();
  if (stopping_) return;
  loop_.timers().arm(timer_, loop_.now().mono + (failed_ ? kRetryInterval : kCheckInterval));
}

}  // namespace postern::gateway

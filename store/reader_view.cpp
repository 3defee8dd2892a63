#include "store/reader_view.hpp"

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "store/body_reader.hpp"
#include "store/mail_view.hpp"
#include "store/mailbox_reader.hpp"
#include "store/schema.hpp"
#include "store/snapshot_cache.hpp"

namespace postern::store {

namespace {

/// Mailboxes remembered as miscounted: these are not mended again at every read. More than so many,
/// and nothing is mended any more: then it is the writer that has to be.
constexpr std::size_t kMiscountedMax = 1000;

SecondaryOptions secondary_options(const ReaderViewOptions& options, std::string_view database,
                                   std::size_t block_cache_octets) {
  return {.path = (std::filesystem::path(options.store_path) / database).string(),
          .scratch_path = (std::filesystem::path(options.scratch_path) / database).string(),
          .block_cache_octets = block_cache_octets};
}

/// Whether `snapshot` is what a full read at `head` would give.
bool is_current(const MailboxSnapshot& snapshot, const MailboxHead& head) {
  const MailboxHead& old = snapshot.head();
  return old.uid_validity == head.uid_validity && old.highest_modseq == head.highest_modseq &&
         old.uid_next == head.uid_next;
}

/// Whether `snapshot` is an earlier state of the mailbox at `head`.
bool is_earlier(const MailboxSnapshot& snapshot, const MailboxHead& head) {
  const MailboxHead& old = snapshot.head();
  return old.uid_validity == head.uid_validity && old.highest_modseq < head.highest_modseq &&
         old.uid_next <= head.uid_next;
}

MailboxSnapshotPtr newer_of(MailboxSnapshotPtr a, MailboxSnapshotPtr b) {
  if (a == nullptr || (b != nullptr && b->head().highest_modseq > a->head().highest_modseq))
    return b;
  return a;
}

/// `snapshot` with the counters that its messages really add up to.
MailboxSnapshotPtr recounted(const MailboxSnapshot& snapshot, const SnapshotTotals& totals) {
  MailboxHead head = snapshot.head();
  head.message_count = totals.message_count;
  head.unseen_count = totals.unseen_count;
  head.total_octets = totals.total_octets;
  return std::make_shared<const MailboxSnapshot>(std::move(head), snapshot.blocks());
}

}  // namespace

class ReaderView::State {
 public:
  explicit State(std::size_t cache_entries_max) : cache_(cache_entries_max) {}

  Result<void> open(const ReaderViewOptions& options);
  Result<MailboxSnapshotPtr> snapshot(MailboxId mailbox, MailboxSnapshotPtr base);

  MailView& mail() noexcept { return *mail_; }
  BodyReader& bodies() noexcept { return *bodies_; }
  ReaderViewStats stats();

 private:
  enum class Remedy : std::uint8_t { advance, reopen, believe_messages };

  Result<SnapshotRead> look(MailboxId mailbox, const MailboxSnapshotPtr& base);
  Result<void> mend(Remedy remedy);
  bool is_miscounted(MailboxId mailbox);
  void note_miscounted(MailboxId mailbox);

  SnapshotCache cache_;  // before mail_, which clears it
  std::unique_ptr<MailView> mail_;
  std::unique_ptr<BodyReader> bodies_;

  std::mutex miscounted_mutex_;
  std::unordered_set<std::uint64_t> miscounted_;  // mailboxes whose head stayed wrong

  std::atomic<std::uint64_t> unchanged_ = 0;
  std::atomic<std::uint64_t> incremental_ = 0;
  std::atomic<std::uint64_t> full_ = 0;
  std::atomic<std::uint64_t> mismatches_ = 0;
};

Result<void> ReaderView::State::open(const ReaderViewOptions& options) {
  auto mail = MailView::open(
      secondary_options(options, schema::kMailFolder, options.mail_block_cache_octets),
      // The store may be another one than before (restored from a backup): believe nothing.
      [this] { cache_.clear(); });
  if (!mail) return std::unexpected(std::move(mail.error()));
  auto bodies = BodyReader::open(
      secondary_options(options, schema::kBodiesFolder, options.bodies_block_cache_octets));
  if (!bodies) return std::unexpected(std::move(bodies.error()));
  mail_ = std::move(*mail);
  bodies_ = std::move(*bodies);
  return {};
}

/// The mailbox as it is now: `base` itself when that is current.
Result<SnapshotRead> ReaderView::State::look(MailboxId mailbox, const MailboxSnapshotPtr& base) {
  const Result<MailView::Gate> gate = mail_->enter();
  if (!gate) return std::unexpected(gate.error());
  const Result<MailboxHead> head = read_head(mail_->rows(), mailbox);
  if (!head) return std::unexpected(head.error());
  if (base != nullptr && is_current(*base, *head)) {
    unchanged_.fetch_add(1, std::memory_order_relaxed);
    return SnapshotRead{.snapshot = base, .totals = SnapshotTotals::of(base->head())};
  }
  if (base != nullptr && is_earlier(*base, *head)) {
    auto since = read_snapshot_since(mail_->rows(), *head, *base);
    if (!since) return std::unexpected(std::move(since.error()));
    if (*since && (*since)->totals == SnapshotTotals::of(*head)) {
      incremental_.fetch_add(1, std::memory_order_relaxed);
      return std::move(**since);
    }
    // Too much changed, or the change log no longer reaches back to `base`.
  }
  full_.fetch_add(1, std::memory_order_relaxed);
  return read_snapshot(mail_->rows(), *head);
}

Result<MailboxSnapshotPtr> ReaderView::State::snapshot(MailboxId mailbox, MailboxSnapshotPtr base) {
  if (base != nullptr && base->head().id != mailbox) base = nullptr;
  base = newer_of(std::move(base), cache_.get(mailbox));
  for (const Remedy remedy : {Remedy::advance, Remedy::reopen, Remedy::believe_messages}) {
    Result<SnapshotRead> read = look(mailbox, base);
    if (!read) return std::unexpected(std::move(read.error()));
    if (read->totals != SnapshotTotals::of(read->snapshot->head())) {
      mismatches_.fetch_add(1, std::memory_order_relaxed);
      if (remedy != Remedy::believe_messages && !is_miscounted(mailbox)) {
        if (Result<void> mended = mend(remedy); !mended) {
          return std::unexpected(std::move(mended.error()));
        }
        continue;
      }
      note_miscounted(mailbox);
      read->snapshot = recounted(*read->snapshot, read->totals);
    }
    if (read->snapshot != base) cache_.put(read->snapshot);
    return std::move(read->snapshot);
  }
  std::unreachable();
}

/// Messages and head disagree. Rows may be missing, then a catch-up brings them; a row may be back
/// that the writer cleared away (the ghost of architecture.md, section 6), then a new instance
/// forgets it. If neither helps the head is wrong, and the messages are what counts.
Result<void> ReaderView::State::mend(Remedy remedy) {
  return remedy == Remedy::advance ? mail_->advance(kAdvanceTimeout)
                                   : mail_->reopen(kAdvanceTimeout);
}

bool ReaderView::State::is_miscounted(MailboxId mailbox) {
  const std::lock_guard lock(miscounted_mutex_);
  return miscounted_.contains(raw(mailbox)) || miscounted_.size() >= kMiscountedMax;
}

void ReaderView::State::note_miscounted(MailboxId mailbox) {
  const std::lock_guard lock(miscounted_mutex_);
  if (miscounted_.size() < kMiscountedMax) miscounted_.insert(raw(mailbox));
}

ReaderViewStats ReaderView::State::stats() {
  const MailViewStats mail = mail_->stats();
  const std::lock_guard lock(miscounted_mutex_);
  return {.catch_ups = mail.catch_ups,
          .catch_up_micros = mail.catch_up_micros,
          .catch_ups_failed = mail.attempts_failed,
          .body_catch_ups = bodies_->catch_ups(),
          .reopens = mail.reopens,
          .snapshots_unchanged = unchanged_.load(std::memory_order_relaxed),
          .snapshots_incremental = incremental_.load(std::memory_order_relaxed),
          .snapshots_full = full_.load(std::memory_order_relaxed),
          .mismatches = mismatches_.load(std::memory_order_relaxed),
          .miscounted_mailboxes = miscounted_.size(),
          .cached_snapshots = cache_.snapshots(),
          .cached_entries = cache_.entries()};
}

// --- the interface
// ----------------------------------------------------------------------------------

ReaderView::ReaderView(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReaderView::~ReaderView() = default;

Result<std::unique_ptr<ReaderView>> ReaderView::open(ReaderViewOptions options) {
  auto state = std::make_unique<State>(options.cache_entries_max);
  if (Result<void> opened = state->open(options); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  return std::unique_ptr<ReaderView>(new ReaderView(std::move(state)));
}

Result<void> ReaderView::advance_to(StorePosition position, std::chrono::milliseconds timeout) {
  return state_->mail().advance_to(position, timeout);
}

Result<void> ReaderView::advance(std::chrono::milliseconds timeout) {
  return state_->mail().advance(timeout);
}

StorePosition ReaderView::position() const noexcept { return state_->mail().position(); }

Result<MailboxSnapshotPtr> ReaderView::snapshot(MailboxId mailbox, MailboxSnapshotPtr previous) {
  return state_->snapshot(mailbox, std::move(previous));
}

Result<MailboxHead> ReaderView::head(MailboxId mailbox) {
  const Result<MailView::Gate> gate = state_->mail().enter();
  if (!gate) return std::unexpected(gate.error());
  return read_head(state_->mail().rows(), mailbox);
}

Result<std::vector<Folder>> ReaderView::folders(AccountId account) {
  const Result<MailView::Gate> gate = state_->mail().enter();
  if (!gate) return std::unexpected(gate.error());
  return read_folders(state_->mail().rows(), account);
}

Result<std::string> ReaderView::read_body(BodyId body, std::uint64_t offset, std::uint64_t length) {
  return state_->bodies().read(body, offset, length);
}

Result<void> ReaderView::reopen(std::chrono::milliseconds timeout) {
  if (Result<void> reopened = state_->mail().reopen(timeout); !reopened) return reopened;
  return state_->bodies().reopen();
}

ReaderViewStats ReaderView::stats() const { return state_->stats(); }

}  // namespace postern::store

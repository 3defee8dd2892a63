#include "sidecars/imap/mailbox_sync.hpp"

#include <algorithm>

#include "runtime/assert.hpp"
#include "sidecars/imap/flags.hpp"
#include "sidecars/imap/response.hpp"
#include "sidecars/imap/snapshot_diff.hpp"

namespace postern::imap {
namespace {

bool contains(const std::vector<store::UidRange>& ranges, store::Uid uid) {
  const auto after = std::ranges::upper_bound(ranges, uid, {}, &store::UidRange::first);
  return after != ranges.begin() && uid <= std::prev(after)->last;
}

/// Adds the indices in `picture` of all messages in `ranges`.
void add_indices(const std::vector<store::UidRange>& ranges, const store::MailboxSnapshot& picture,
                 std::vector<std::uint32_t>& indices) {
  for (const store::UidRange range : ranges) {
    for (std::size_t index = picture.lower_bound(range.first);
         index < picture.size() && picture[index].uid <= range.last; ++index) {
      indices.push_back(static_cast<std::uint32_t>(index));
    }
  }
}

}  // namespace

void MailboxSync::begin(SelectedMailbox& mailbox, const Options& options) {
  POSTERN_ASSERT(mailbox.reported && mailbox.latest);
  const store::MailboxSnapshotPtr before = mailbox.reported;
  const store::MailboxSnapshotPtr& after = mailbox.latest;
  flags_.clear();
  flags_done_ = 0;
  expunged_.clear();
  exists_ = false;
  with_uid_ = options.with_uid;
  keywords_ = before->head().keywords.size() != after->head().keywords.size();
  const bool has_reports = options.wish != nullptr && !options.wish->report.empty();
  if (before == after) {
    picture_ = after;
    if (has_reports) add_indices(options.wish->report, *picture_, flags_);
    return;
  }
  SnapshotDiff diff = diff_snapshots(*before, *after);
  const bool hold_back = !options.expunge && !diff.expunged.empty();
  picture_ = hold_back ? keep_expunged(*before, *after) : after;
  exists_ = diff.added > 0 || (options.expunge && !diff.expunged.empty());
  if (options.expunge) expunged_ = std::move(diff.expunged);
  for (const SnapshotDiff::Change change : diff.changed) {
    const store::MessageEntry& entry = (*after)[change.after];
    const auto* told =
        options.wish != nullptr && options.wish->told ? &*options.wish->told : nullptr;
    if (told != nullptr && contains(told->uids, entry.uid)) {
      const store::FlagSet expected =
          apply((*before)[change.before].flags, *told, after->head().keywords);
      if (expected == entry.flags) continue;
    } else if (!options.flags) {
      continue;
    }
    flags_.push_back(hold_back ? static_cast<std::uint32_t>(picture_->index_of(entry.uid))
                               : change.after);
  }
  if (has_reports) {
    add_indices(options.wish->report, *picture_, flags_);
    std::ranges::sort(flags_);
    const auto repeated = std::ranges::unique(flags_);
    flags_.erase(repeated.begin(), repeated.end());
  }
  mailbox.reported = picture_;
}

bool MailboxSync::emit(Context& context) {
  std::string& out = context.out();
  // From the last to the first: no number changes before it is said.
  while (!expunged_.empty()) {
    if (context.full()) return false;
    out.append("* ");
    append_number(out, std::uint64_t{expunged_.back()} + 1);
    out.append(" EXPUNGE\r\n");
    expunged_.pop_back();
  }
  if (exists_) {
    exists_ = false;
    out.append("* ");
    append_number(out, picture_->size());
    out.append(" EXISTS\r\n* 0 RECENT\r\n");
  }
  const auto& keywords = picture_->head().keywords;
  if (keywords_) {
    keywords_ = false;
    append_flag_responses(out, keywords, context.modern(), context.selected->read_only);
  }
  for (; flags_done_ < flags_.size(); ++flags_done_) {
    if (context.full()) return false;
    const std::uint32_t index = flags_[flags_done_];
    const store::MessageEntry& entry = (*picture_)[index];
    out.append("* ");
    append_number(out, std::uint64_t{index} + 1);
    out.append(" FETCH (");
    if (with_uid_) {
      out.append("UID ");
      append_number(out, entry.uid);
      out.push_back(' ');
    }
    out.append("FLAGS ");
    append_flags(out, entry.flags, keywords);
    out.append(")\r\n");
  }
  picture_.reset();
  return true;
}

}  // namespace postern::imap

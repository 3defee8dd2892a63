#include "store/mutation_apply.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/assert.hpp"

namespace postern::store {

namespace {

using schema::MessageRow;

constexpr std::uint16_t kSystemFlags =
    static_cast<std::uint16_t>(Flag::seen) | static_cast<std::uint16_t>(Flag::answered) |
    static_cast<std::uint16_t>(Flag::flagged) | static_cast<std::uint16_t>(Flag::deleted) |
    static_cast<std::uint16_t>(Flag::draft);

/// RFC 3501 2.3.2: keywords are compared without regard to case.
bool same_keyword(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Result<void> check_ranges(const std::vector<UidRange>& ranges) {
  std::uint64_t behind = 0;  // the last uid of the range before; uid 0 does not exist
  for (const UidRange& range : ranges) {
    if (range.first <= behind || range.last < range.first) {
      return fail(ErrorCode::invalid_argument, "uid ranges are not ascending and disjoint");
    }
    behind = range.last;
  }
  return {};
}

void append_uid(std::vector<UidRange>& ranges, Uid uid) {
  if (!ranges.empty() && ranges.back().last + 1 == uid) {
    ranges.back().last = uid;
  } else {
    ranges.push_back(UidRange{uid, uid});
  }
}

/// Keyword names as bits, and the names the mailbox's table lacks so far.
struct ResolvedKeywords {
  std::uint64_t bits = 0;
  std::vector<std::string> added;
};

Result<ResolvedKeywords> resolve(const MailboxHead& head, const StoreFlags& change) {
  ResolvedKeywords resolved;
  for (const std::string& name : change.keywords) {
    if (name.empty() || name.size() > schema::kKeywordOctetsMax) {
      return fail(ErrorCode::invalid_argument, "a keyword is empty or too long");
    }
    const auto find = [&](const std::vector<std::string>& table) {
      return static_cast<std::size_t>(
          std::ranges::find_if(table,
                               [&](const auto& known) { return same_keyword(known, name); }) -
          table.begin());
    };
    std::size_t index = find(head.keywords);
    if (index == head.keywords.size()) {
      if (change.mode == StoreFlags::Mode::remove) continue;  // nobody has it
      index += find(resolved.added);
      if (index == head.keywords.size() + resolved.added.size()) resolved.added.push_back(name);
    }
    if (index >= kKeywordsPerMailboxMax) {
      return fail(ErrorCode::exhausted,
                  fmt::format("the mailbox has {} keywords already", kKeywordsPerMailboxMax));
    }
    resolved.bits |= std::uint64_t{1} << index;
  }
  return resolved;
}

FlagSet changed_flags(const FlagSet& old, StoreFlags::Mode mode, const FlagSet& given) {
  switch (mode) {
    case StoreFlags::Mode::add:
      return FlagSet{.system = static_cast<std::uint16_t>(old.system | given.system),
                     .keywords = old.keywords | given.keywords};
    case StoreFlags::Mode::remove:
      return FlagSet{.system = static_cast<std::uint16_t>(old.system & ~given.system),
                     .keywords = old.keywords & ~given.keywords};
    case StoreFlags::Mode::replace:
      return given;
  }
  return old;
}

Result<MutationReply> stage(RowBatch& batch, const StoreFlags& change) {
  if (auto valid = check_ranges(change.uids); !valid) return std::unexpected(valid.error());
  if ((change.system_flags & ~kSystemFlags) != 0) {
    return fail(ErrorCode::invalid_argument, "an unknown system flag");
  }
  auto found = batch.mailbox(change.mailbox);
  if (!found) return std::unexpected(found.error());
  CachedMailbox& mailbox = **found;
  MailboxHead& head = mailbox.head;
  auto keywords = resolve(head, change);
  if (!keywords) return std::unexpected(keywords.error());

  const FlagSet given{.system = change.system_flags, .keywords = keywords->bits};
  MutationReply reply;
  std::vector<std::pair<MessageState, FlagSet>> changed;  // as it was, and its new flags
  std::int64_t unseen = 0;
  auto read = batch.each_message(change.mailbox, change.uids, [&](const MessageState& state) {
    if (change.unchanged_since && state.modseq > *change.unchanged_since) {
      append_uid(reply.not_applied, state.uid);
      return true;
    }
    const FlagSet flags = changed_flags(state.row.flags, change.mode, given);
    if (flags == state.row.flags) return true;
    unseen += int{state.row.flags.has(Flag::seen)} - int{flags.has(Flag::seen)};
    changed.emplace_back(state, flags);
    return true;
  });
  if (!read) return std::unexpected(read.error());

  if (!changed.empty()) {
    ++head.highest_modseq;
    head.unseen_count = static_cast<std::uint32_t>(head.unseen_count + unseen);
    for (std::string& name : keywords->added) head.keywords.push_back(std::move(name));
    for (const auto& [before, flags] : changed) {
      MessageState state = before;
      state.modseq = head.highest_modseq;
      state.row.flags = flags;
      batch.put_change(change.mailbox, before, state);
    }
    batch.touch(mailbox);
  }
  reply.modseq = head.highest_modseq;
  reply.changed_count = static_cast<std::uint32_t>(changed.size());
  return reply;
}

Result<MutationReply> stage(RowBatch& batch, const Expunge& change) {
  if (auto valid = check_ranges(change.uids); !valid) return std::unexpected(valid.error());
  auto found = batch.mailbox(change.mailbox);
  if (!found) return std::unexpected(found.error());
  std::vector<MessageState> removed;
  auto read = batch.each_message(change.mailbox, change.uids, [&](const MessageState& state) {
    if (!change.only_deleted || state.row.flags.has(Flag::deleted)) removed.push_back(state);
    return true;
  });
  if (!read) return std::unexpected(read.error());
  if (auto done = stage_removal(batch, **found, removed); !done) {
    return std::unexpected(done.error());
  }
  return MutationReply{.modseq = (*found)->head.highest_modseq,
                       .changed_count = static_cast<std::uint32_t>(removed.size())};
}

}  // namespace

Result<void> stage_removal(RowBatch& batch, CachedMailbox& mailbox,
                           const std::vector<MessageState>& messages) {
  if (messages.empty()) return {};
  for (const MessageState& message : messages) {
    if (auto known = batch.load_references(message.row.body); !known) return known;
  }
  MailboxHead& head = mailbox.head;
  ++head.highest_modseq;
  for (const MessageState& message : messages) {
    --head.message_count;
    head.unseen_count -= message.row.flags.has(Flag::seen) ? 0 : 1;
    head.total_octets -= message.row.size_octets;
    batch.put_change(head.id, message,
                     MessageState{.uid = message.uid,
                                  .modseq = head.highest_modseq,
                                  .row = {.kind = MessageRow::Kind::expunged}});
    batch.note_expunged(head.id, message.uid, head.highest_modseq);
    batch.release(message.row.body, message.row.size_octets);
  }
  batch.touch(mailbox);
  return {};
}

Result<MutationReply> stage_mutation(RowBatch& batch, const MutationBody& mutation) {
  return std::visit([&](const auto& change) { return stage(batch, change); }, mutation);
}

}  // namespace postern::store

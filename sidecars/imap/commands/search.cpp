// SEARCH and UID SEARCH (RFC 3501 6.4.4): what the snapshot decides is decided at once; of the
// other messages as much is read as it takes, in batches.
#include <memory>
#include <utility>
#include <vector>

#include "runtime/assert.hpp"
#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/response.hpp"
#include "sidecars/imap/search_message.hpp"

namespace postern::imap {
namespace {

class Search final : public Command {
 public:
  Search(SearchProgram program, store::MailboxSnapshotPtr snapshot, bool by_uid)
      : program_(std::move(program)),
        snapshot_(std::move(snapshot)),
        by_uid_(by_uid),
        message_(program_) {}

  Progress run(Context& context) override {
    if (!context.inside_response) {
      context.inside_response = true;
      context.out().append("* SEARCH");
    }
    for (std::size_t steps = 0; index_ < snapshot_->size() || in_message_; steps += program_.keys) {
      if (in_message_) {
        if (const auto wait = go_on(context)) return *wait;
        continue;
      }
      if (context.full()) return Progress::room;
      if (steps > kSearchStepsPerTurn) {
        context.wake = context.now.mono;
        return Progress::timer;
      }
      const Verdict verdict = match(program_, subject(index_));
      if (verdict == Verdict::unknown) {
        if (next_piece_ == pieces_.size()) return read(context);
        take_piece();
        continue;
      }
      if (verdict == Verdict::yes) append(context);
      ++index_;
    }
    context.out().append("\r\n");
    context.inside_response = false;
    return context.ok("SEARCH completed");
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    auto& bodies = std::get<sidecars::BodiesReply>(reply);
    if (in_message_) {
      POSTERN_ASSERT(bodies.parts.size() == 1);
      message_.take(std::move(bodies.parts.front()));
    } else {
      POSTERN_ASSERT(!bodies.parts.empty());
      pieces_ = std::move(bodies.parts);
      next_piece_ = 0;
    }
    return run(context);
  }

 private:
  SearchSubject subject(std::size_t index) const {
    return {.entry = &(*snapshot_)[index], .index = index, .keywords = &snapshot_->head().keywords};
  }

  /// Asks for the beginnings of this and the next undecided messages.
  Progress read(Context& context) const {
    sidecars::BodiesRequest request;
    std::uint64_t octets = 0;
    std::size_t steps = 0;
    for (std::size_t index = index_; index < snapshot_->size(); ++index) {
      steps += program_.keys;
      if (match(program_, subject(index)) != Verdict::unknown) continue;
      const store::MessageEntry& entry = (*snapshot_)[index];
      // A body without octets is asked for too: pieces and undecided messages keep the same order.
      const std::uint64_t first = message_.first_octets(entry);
      const bool enough = octets + first > sidecars::kReadBatchOctets ||
                          request.ranges.size() == kBatchMessagesMax || steps > kSearchStepsPerTurn;
      if (!request.ranges.empty() && enough) break;
      octets += first;
      request.ranges.push_back({entry.body, 0, first});
    }
    return context.ask(std::move(request));
  }

  void take_piece() {
    Result<std::string>& piece = pieces_[next_piece_++];
    if (!piece) {  // gone meanwhile, or unreadable: it does not match
      ++index_;
      return;
    }
    message_.begin(subject(index_), std::move(*piece));
    in_message_ = true;
  }

  std::optional<Progress> go_on(Context& context) {
    const SearchMessage::Outcome outcome = message_.run(context.structures);
    if (outcome == SearchMessage::Outcome::read) {
      return context.ask(sidecars::BodiesRequest{{message_.wanted()}});
    }
    if (outcome == SearchMessage::Outcome::decided && message_.matches()) append(context);
    in_message_ = false;
    ++index_;
    return std::nullopt;
  }

  void append(Context& context) const {
    context.out().push_back(' ');
    append_number(context.out(), by_uid_ ? (*snapshot_)[index_].uid : index_ + 1);
  }

  const SearchProgram program_;
  const store::MailboxSnapshotPtr snapshot_;
  const bool by_uid_;
  SearchMessage message_;
  std::size_t index_ = 0;
  bool in_message_ = false;
  std::vector<Result<std::string>> pieces_;  // of the next undecided messages, in order
  std::size_t next_piece_ = 0;
};

Result<CommandPtr> parse(Context& context, Arguments& arguments, bool by_uid) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  const store::MailboxSnapshotPtr& known = context.selected->reported;
  auto program = parse_search_program(arguments, *known, !context.modern());
  if (!program) return std::unexpected(program.error());
  if (!program->charset_known) {
    return make_immediate([](Context& the_context) {
      return the_context.no(
          the_context.modern() ? "BADCHARSET (US-ASCII UTF-8)" : "BADCHARSET (US-ASCII)",
          "The character set is not supported");
    });
  }
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  return std::make_unique<Search>(std::move(*program), known, by_uid);
}

}  // namespace

Result<CommandPtr> parse_search(Context& context, Arguments& arguments) {
  return parse(context, arguments, false);
}
Result<CommandPtr> parse_uid_search(Context& context, Arguments& arguments) {
  return parse(context, arguments, true);
}

}  // namespace postern::imap

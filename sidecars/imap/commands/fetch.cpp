// FETCH and UID FETCH (RFC 3501 6.4.5): goes through the messages, reads their bodies in batches,
// sets \Seen batch by batch. What one message's response looks like is in message_fetch.cpp.
#include <memory>
#include <utility>
#include <vector>

#include "runtime/assert.hpp"
#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/fetch_items.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/message_fetch.hpp"
#include "sidecars/imap/sequence_set.hpp"

namespace postern::imap {
namespace {

class Fetch final : public Command {
 public:
  Fetch(FetchItems items, IndexSet indices, store::MailboxSnapshotPtr snapshot)
      : items_(std::move(items)),
        indices_(std::move(indices)),
        snapshot_(std::move(snapshot)),
        message_(items_) {
    if (!indices_.empty()) place_.index = indices_.front().first;
  }

  Progress run(Context& context) override {
    while (true) {
      if (in_message_) {
        if (const auto wait = go_on(context)) return *wait;
      } else if (place_.range == indices_.size()) {
        return finish(context);
      } else if (context.full()) {
        return Progress::room;
      } else if (items_.need == BodyNeed::none && !items_.sets_seen) {
        begin(Piece{});
      } else if (next_piece_ < pieces_.size()) {
        take_piece();
      } else {
        plan(context);
        if (!unseen_.empty()) return set_seen(context);
        if (const auto wait = read(context)) return *wait;
      }
    }
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    if (const auto* const done = std::get_if<sidecars::MutationDone>(&reply)) {
      take_seen(done->reply.has_value());
      if (const auto wait = read(context)) return *wait;
      return run(context);
    }
    auto& bodies = std::get<sidecars::BodiesReply>(reply);
    if (in_message_) {
      POSTERN_ASSERT(bodies.parts.size() == 1);
      message_.take(std::move(bodies.parts.front()));
      return run(context);
    }
    std::size_t part = 0;
    for (Piece& piece : pieces_) {
      if (piece.first.octets == 0) continue;
      POSTERN_ASSERT(part < bodies.parts.size());
      piece.octets = std::move(bodies.parts[part++]);
    }
    return run(context);
  }

 private:
  /// A place in the set of messages.
  struct Place {
    std::size_t range = 0;
    std::size_t index = 0;
  };
  /// The first octets of one message of the batch.
  struct Piece {
    FirstRead first;
    bool now_seen = false;
    Result<std::string> octets{};
  };

  void advance(Place& place) const {
    if (place.index < indices_[place.range].last) {
      ++place.index;
    } else if (++place.range < indices_.size()) {
      place.index = indices_[place.range].first;
    }
  }

  /// Collects the next messages into one batch.
  void plan(const Context& context) {
    pieces_.clear();
    next_piece_ = 0;
    std::uint64_t octets = 0;
    const bool marks = items_.sets_seen && !context.selected->read_only;
    for (Place place = place_; place.range < indices_.size(); advance(place)) {
      const store::MessageEntry& entry = (*snapshot_)[place.index];
      const FirstRead first = message_.first_read(entry, context);
      const bool fits = octets + first.octets <= sidecars::kReadBatchOctets;
      if (!pieces_.empty() && (!fits || pieces_.size() == kBatchMessagesMax)) break;
      octets += first.octets;
      const bool unseen = marks && !entry.flags.has(store::Flag::seen);
      if (unseen) {
        add_unseen(entry.uid, !pieces_.empty() && pieces_.back().now_seen &&
                                  last_unseen_index_ + 1 == place.index);
        last_unseen_index_ = place.index;
      }
      pieces_.push_back({.first = first, .now_seen = unseen});
    }
  }

  void add_unseen(store::Uid uid, bool follows) {
    if (follows) {
      unseen_.back().last = uid;
    } else {
      unseen_.push_back({uid, uid});
    }
  }

  Progress set_seen(Context& context) const {
    return context.ask(sidecars::MutateRequest{
        store::StoreFlags{.mailbox = context.selected->id,
                          .uids = unseen_,
                          .mode = store::StoreFlags::Mode::add,
                          .system_flags = static_cast<std::uint16_t>(store::Flag::seen)}});
  }

  /// A failure to set \Seen does not keep the mail from its reader.
  void take_seen(bool succeeded) {
    if (succeeded) {
      told_.insert(told_.end(), unseen_.begin(), unseen_.end());
    } else {
      for (Piece& piece : pieces_) piece.now_seen = false;
    }
    unseen_.clear();
  }

  /// Asks for the batch's octets; nullopt if it needs none.
  std::optional<Progress> read(Context& context) const {
    sidecars::BodiesRequest request;
    Place place = place_;
    for (const Piece& piece : pieces_) {
      if (piece.first.octets > 0) {
        request.ranges.push_back(
            {(*snapshot_)[place.index].body, piece.first.offset, piece.first.octets});
      }
      advance(place);
    }
    if (request.ranges.empty()) return std::nullopt;
    return context.ask(std::move(request));
  }

  void take_piece() {
    Piece& piece = pieces_[next_piece_++];
    if (piece.octets) {
      begin(std::move(piece));
    } else {
      note(piece.octets.error().code);
      advance(place_);
    }
  }

  void begin(Piece piece) {
    message_.begin(place_.index, (*snapshot_)[place_.index], piece.now_seen, piece.first.offset,
                   std::move(*piece.octets));
    in_message_ = true;
  }

  /// nullopt: the message is through.
  std::optional<Progress> go_on(Context& context) {
    switch (message_.run(context)) {
      case MessageFetch::Outcome::room:
        return Progress::room;
      case MessageFetch::Outcome::read:
        return context.ask(sidecars::BodiesRequest{{message_.wanted()}});
      case MessageFetch::Outcome::broken:
        // inside_response is still set: the session closes the connection.
        context.end = EndReason::store_failure;
        return Progress::done;
      case MessageFetch::Outcome::gone:
      case MessageFetch::Outcome::done:
        break;
    }
    if (message_.error()) note(*message_.error());
    in_message_ = false;
    advance(place_);
    return std::nullopt;
  }

  void note(ErrorCode code) {
    if (code == ErrorCode::not_found) {
      vanished_ = true;
    } else {
      error_ = code;
    }
  }

  Progress finish(Context& context) {
    if (!told_.empty()) {
      context.sync.refresh = true;
      context.sync.told =
          store::StoreFlags{.mailbox = context.selected->id,
                            .uids = std::move(told_),
                            .mode = store::StoreFlags::Mode::add,
                            .system_flags = static_cast<std::uint16_t>(store::Flag::seen)};
    }
    if (error_) return context.store_failed(Error{*error_, {}});
    // RFC 2180 4.1.2, code of RFC 5530.
    if (vanished_) return context.no("EXPUNGEISSUED", "Some messages do not exist any more");
    return context.ok("FETCH completed");
  }

  const FetchItems items_;
  const IndexSet indices_;
  const store::MailboxSnapshotPtr snapshot_;  // sequence numbers do not change while it runs
  MessageFetch message_;
  Place place_;
  bool in_message_ = false;
  std::vector<Piece> pieces_;
  std::size_t next_piece_ = 0;
  std::vector<store::UidRange> unseen_;  // of the batch, to be marked
  std::size_t last_unseen_index_ = 0;
  std::vector<store::UidRange> told_;  // marked, and reported in their responses
  bool vanished_ = false;
  std::optional<ErrorCode> error_;
};

Result<CommandPtr> parse(Context& context, Arguments& arguments, bool by_uid) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  const auto set = parse_sequence_set(arguments);
  if (!set) return std::unexpected(set.error());
  if (parsed = arguments.space(); !parsed) return std::unexpected(parsed.error());
  auto items = parse_fetch_items(arguments, by_uid);
  if (!items) return std::unexpected(items.error());
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  const store::MailboxSnapshotPtr& known = context.selected->reported;
  auto indices =
      by_uid ? Result<IndexSet>(resolve_uids(*set, *known)) : resolve_sequences(*set, *known);
  if (!indices) return std::unexpected(indices.error());
  return std::make_unique<Fetch>(std::move(*items), std::move(*indices), known);
}

}  // namespace

Result<CommandPtr> parse_fetch(Context& context, Arguments& arguments) {
  return parse(context, arguments, false);
}
Result<CommandPtr> parse_uid_fetch(Context& context, Arguments& arguments) {
  return parse(context, arguments, true);
}

}  // namespace postern::imap
